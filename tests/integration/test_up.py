"""`segue up` and what a person does beside it, each as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SEGUE = (sys.executable, "-c", "from streams.cli import main; main()")

RULES = """\
segments:
  - {key: buyers, name: Buyers, when: {did: {event: Order Completed}}}
  - {key: waiting, when: {then_not: {event: Product Added, but: {event: Order Completed}, wait: 1h}}}
"""
OTHER_RULES = """\
segments:
  - {key: buyers, name: Buyers, when: {did: {event: Order Completed, times: {gte: 2}}}}
"""

pytestmark = [
    pytest.mark.embedded,  # `segue up` brings its own broker
]


def event(customer: str, name: str, ago: timedelta) -> str:
    stamp = (datetime.now(UTC) - ago).isoformat()
    return json.dumps({"type": "track", "userId": customer, "event": name, "timestamp": stamp})


class Up:
    """A running `segue up`; `segue` runs another command against it."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, str], folder: Path) -> None:
        self.process = process
        self.ready = ready
        self.folder = folder
        self.environment = os.environ | {"SEGUE_BROKER": ready["broker"], "SEGUE_REDIS": ready["redis"]}

    def segue(self, *words: object, expect: int = 0) -> str:
        command = [*SEGUE, *map(str, words)]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def tail(self, *words: str) -> Iterator[Callable[[], str]]:
        """Run `segue tail`; yield what returns its next line."""
        process = subprocess.Popen(
            [*SEGUE, "tail", *words],
            env=self.environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
            process.stdout.close()


def eventually(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (value := found()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)
    return value


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Up]:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "data.jsonl").write_text(
        "\n".join(
            [
                event("c1", "Product Added", timedelta(minutes=59, seconds=55)),
                event("c2", "Order Completed", timedelta(days=2)),
                event("c2", "Order Completed", timedelta(days=1)),
                "{broken",
            ]
        )
    )
    ready_file = tmp_path / "ready.json"
    options = ("--rules", tmp_path / "rules.yaml", "--data", tmp_path / "data.jsonl", "--ready-file", ready_file)
    command = [*SEGUE, "up", "--partitions", "2", *map(str, options)]
    environment = os.environ | {"SEGUE_HTTP_PORT": "0"}  # others may start segue at this moment
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True) as process:
        try:
            eventually(lambda: ready_file.exists() or process.poll() is not None)
            assert process.poll() is None, process.stdout and process.stdout.read()
            os.environ["SEGUE_PARTITIONS"] = "2"
            yield Up(process, json.loads(ready_file.read_text()), tmp_path)
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, output
            assert "segue is up" in output
            assert "4 events of" in output
            assert "Traceback" not in output
            assert not ready_file.exists()
        finally:
            os.environ.pop("SEGUE_PARTITIONS", None)
            process.kill()


def test_a_person_watches_looks_dumps_replays_and_changes_the_rules(running: Up) -> None:
    with running.tail("--from-start", "--segment", "waiting") as next_line:
        line = next_line()
    assert "  c1  → waiting  Product Added, then no Order Completed for 1h" in line
    assert line.endswith("[timer]\n")

    seen = running.segue("customer", "c2")
    assert "buyers (Buyers)" in seen
    assert "because did Order Completed (2)" in seen
    assert "nothing changes any more" in seen
    assert "no such customer" in running.segue("customer", "nobody", expect=1)

    with redis.Redis.from_url(running.ready["redis"], protocol=2) as client:
        view = json.loads(client.get("segue:customer:c2"))
    assert [segment["key"] for segment in view["segments"]] == ["buyers"]

    dump, changes = running.folder / "dump.jsonl.gz", running.folder / "live.jsonl"
    assert "records" in running.segue("dump", "--out", dump)
    rules = running.folder / "rules.yaml"
    told = running.segue("replay", "--live", "--rules", rules, "--events", dump, "--changes", changes)
    assert "not_json 1" in told
    assert {json.loads(line)["segment"] for line in changes.read_text().splitlines()} == {"buyers", "waiting"}
    by_topic = running.segue("replay", "--live", "--rules", rules, "--topic")
    assert "customers            2" in by_topic

    assert "there, and as it must be" in running.segue("topics")
    (running.folder / "other.yaml").write_text(OTHER_RULES)
    assert "as number 2; it was" in running.segue("apply", running.folder / "other.yaml")
    assert "active already, as number 2" in running.segue("apply", running.folder / "other.yaml")
    with running.tail("--from-start", "--customer", "c1") as next_line:
        assert "→ waiting" in next_line()
        gone = next_line()
    assert "← waiting" in gone
    assert gone.endswith("[definition]\n")
