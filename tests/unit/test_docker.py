"""docker-compose.yml and the Dockerfile against the settings, the commands and the files that they name.

No Docker runs here: what can be known without one is held.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from streams.cli import main
from streams.pulse import END_S
from streams.settings import PREFIX, load_settings
from tests.integration.kafka import VERSION as KAFKA_VERSION

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = ("topics", "worker", "http", "rules")


def instructions(name: str) -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions in order, those that go over several lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / name).read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in lines)]


DOCKERFILE = instructions("Dockerfile")


def every(word: str) -> list[str]:
    return [rest for instruction, rest in DOCKERFILE if instruction == word]


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_there_is(name: str) -> None:
    words = SERVICES[name]["command"]
    root = typer.main.get_command(main)
    with root.make_context("segue", list(words), resilient_parsing=True) as context:
        command = root.get_command(context, words[0])  # type: ignore[attr-defined]
        assert command is not None
        with command.make_context(words[0], list(words[1:]), parent=context) as parsed:
            assert not parsed.args


@pytest.mark.parametrize("name", OURS)
def test_settings_are_settings(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert set(environment) >= {"SEGUE_BROKER", "SEGUE_REDIS"}
    assert all(variable.startswith(PREFIX) for variable in environment)
    settings, sources = load_settings(environ=environment)
    assert sources["broker"] == "SEGUE_BROKER"
    broker, redis = settings.broker.partition(":")[0], settings.redis.split("/")[2].partition(":")[0]
    assert {broker, redis} <= set(SERVICES)


def test_our_services_reach_kafka_where_it_says_it_is() -> None:
    kafka = SERVICES["kafka"]["environment"]
    advertised = dict(one.split("://") for one in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    listening = dict(one.split("://") for one in kafka["KAFKA_LISTENERS"].split(","))
    assert advertised["INSIDE"] == SERVICES["worker"]["environment"]["SEGUE_BROKER"]
    for name, address in advertised.items():
        assert listening[name] == f":{address.rpartition(':')[2]}"
    protocols = dict(one.split(":") for one in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert set(protocols) == set(listening)
    assert kafka["KAFKA_CONTROLLER_LISTENER_NAMES"] in listening
    assert kafka["KAFKA_INTER_BROKER_LISTENER_NAME"] in advertised
    voter = kafka["KAFKA_CONTROLLER_QUORUM_VOTERS"]
    assert voter == f"{kafka['KAFKA_NODE_ID']}@kafka{listening['CONTROLLER']}"


def test_kafka_keeps_its_log_and_makes_no_topic_by_itself() -> None:
    kafka = SERVICES["kafka"]
    assert kafka["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert f"kafka:{kafka['environment']['KAFKA_LOG_DIRS']}" in kafka["volumes"]
    assert len(kafka["environment"]["CLUSTER_ID"]) == 22


def test_what_is_committed_is_on_disk_and_nothing_is_evicted() -> None:
    words = SERVICES["valkey"]["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"
    assert "valkey:/data" in SERVICES["valkey"]["volumes"]


def test_volumes_that_are_used_are_declared_and_files_that_are_mounted_are_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.rsplit(":", 2 if volume.endswith(":ro") else 1)[0]
            if source.startswith("${"):
                source = source.partition(":-")[2].rstrip("}")
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_images_are_pinned_to_a_version() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += [image.partition(" AS ")[0] for image in every("FROM")]
    for image in images:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+(-[a-z-]+)?", image), image
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}", "the Kafka that the tests run on"
    assert {SERVICES[name]["image"] for name in OURS} == {f"segue:{PROJECT['version']}"}


def test_nobody_is_root() -> None:
    user = [rest for instruction, rest in DOCKERFILE[last_stage() :] if instruction == "USER"]
    assert user
    assert user[-1].partition(":")[0] not in {"0", "root"}
    assert SERVICES["valkey"]["user"].partition(":")[0] not in {"0", "root"}
    for name in OURS:
        assert SERVICES[name]["read_only"]
        assert SERVICES[name]["cap_drop"] == ["ALL"]


def test_there_are_two_workers_that_wait_for_what_they_need() -> None:
    worker = SERVICES["worker"]
    assert worker["deploy"]["replicas"] == 2
    for name in ("worker", "http"):
        needs = SERVICES[name]["depends_on"]
        assert {needed: how["condition"] for needed, how in needs.items()} == {
            "kafka": "service_healthy",
            "valkey": "service_healthy",
            "topics": "service_completed_successfully",
        }
    for name in ("kafka", "valkey", "worker", "http"):
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_http_is_heard_outside_its_container() -> None:
    http = SERVICES["http"]
    settings, _ = load_settings(environ=http["environment"])
    assert settings.http_host == "0.0.0.0"  # noqa: S104 - the port is published on the loopback address alone
    assert http["ports"] == [f"127.0.0.1:{settings.http_port}:{settings.http_port}"]
    assert f"127.0.0.1:{settings.http_port}/readyz" in http["healthcheck"]["test"][-1]


def test_a_worker_says_inside_its_container_how_it_is() -> None:
    worker = SERVICES["worker"]
    settings, _ = load_settings(environ=worker["environment"])
    assert "ports" not in worker, "two of them cannot have one port of the machine"
    assert f"127.0.0.1:{settings.worker_port}/readyz" in worker["healthcheck"]["test"][-1]
    assert int(worker["stop_grace_period"].rstrip("s")) > END_S + settings.revoke_deadline / 1000


def last_stage() -> int:
    return max(number for number, (word, _) in enumerate(DOCKERFILE) if word == "FROM")


def test_the_image_runs_segue() -> None:
    assert every("ENTRYPOINT") == ['["segue"]']
    assert "segue" in PROJECT["scripts"]


def test_what_the_image_is_made_of_is_there_and_reaches_the_builder() -> None:
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {word for rest in every("COPY") if not rest.startswith("--from") for word in rest.split()[:-1]}
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)
    assert set(PROJECT["license-files"]) | {PROJECT["readme"]} <= copied, "the wheel cannot be built without"


def test_python_is_one_that_segue_runs_on() -> None:
    versions = {re.match(r"python:(\d+\.\d+)", image)[1] for image in every("FROM")}  # type: ignore[index]
    assert len(versions) == 1
    assert f"Programming Language :: Python :: {versions.pop()}" in PROJECT["classifiers"]
