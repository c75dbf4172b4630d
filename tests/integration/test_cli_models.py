"""`segue models` and `segue model` of a running app: the topic `models`, and the active ruleset for what it means."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from typer.testing import CliRunner

from rules.load import load_text
from state.models.sample import Sample
from state.models.snapshot import encode
from state.models.trainer import Trainer
from state.redis import RedisStore
from streams.cli import main
from streams.producers import plain_producer
from streams.settings import Settings
from streams.topics import Topics, create_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

    from rules.models.definition import AnyModel
    from state.models.snapshot import Snapshot
    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker


FEATURES = {"orders": {"did": {"event": "Order Completed", "within": "90d"}}}
TARGET = {"event": "Order Completed", "within": "30d"}
RULES: dict[str, Any] = {
    "models": [
        {
            "key": key, "name": f"The {key} one", "kind": "propensity", "warm_up": 10, "target": TARGET,
            "sample": {"every": "7d"}, "features": FEATURES,
        }
        for key in ("first", "second")
    ]
}  # fmt: skip


@pytest.fixture
def settings(broker: Broker, valkey: EmbeddedValkey, app_id: str, topic_prefix: str) -> Settings:
    return Settings(
        broker=broker.address, redis=valkey.url, app_id=app_id, topic_prefix=topic_prefix, allow_create_time=True
    )


def versions(model: AnyModel) -> Iterator[Snapshot]:
    trainer = Trainer(model, snapshot_every=50)
    for number in range(100):
        level = number % 10
        sample = Sample(
            model.key,
            model.definition,
            f"u{number}",
            number,
            number,
            "timer",
            (float(level),),
            float(level > 4),
            0.5,
            1,
        )
        trainer.learn(sample, source=(0, number, 0), offset=number)
        if trainer.due:
            yield trainer.snapshot(1_800_000_000_000 + number)


async def activate(settings: Settings) -> list[AnyModel]:
    ruleset = load_text(json.dumps(RULES), json=True)
    store = RedisStore(settings.redis, settings.app_id)
    await store.start()
    try:
        await store.activate(ruleset.version, ruleset.source)
    finally:
        await store.close()
    return list(ruleset.models)


async def segue(settings: Settings, *args: str) -> Result:
    where = [
        "--broker", settings.broker, "--redis", settings.redis, "--app-id", settings.app_id,
        "--topic-prefix", settings.topic_prefix,
    ]  # fmt: skip
    return await asyncio.to_thread(CliRunner().invoke, main, [*args, *where])


async def test_the_newest_valid_version_of_each_model_is_shown_under_the_active_ruleset(settings: Settings) -> None:
    first, second = await activate(settings)
    await create_topics(settings)
    old, new = versions(first)
    edited = msgspec.structs.replace(new, definition="0123456789ab", version=9, samples=900)
    records = [
        ("first", encode(old)), ("first", encode(new)), ("first", encode(old)), ("first", encode(edited)),
        ("first", b"no snapshot"), *(("second", encode(one)) for one in versions(second)), ("second", None),
    ]  # fmt: skip
    async with plain_producer(settings) as producer:
        for key, value in records:
            await producer.send_and_wait(Topics.named(settings).models, value, key=key.encode(), partition=0)

    shown = await segue(settings, "models")
    assert shown.exit_code == 0, shown.output
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert any(line.startswith("first 2 100 100 in silence ROC AUC") for line in lines)
    assert "second warming up: 0 of 10 samples" in lines
    assert "second: no version yet; a sample is learned when its label is known, 30d after it" in lines

    page = await segue(settings, "model", "first")
    assert page.exit_code == 0, page.output
    assert "first: The first one" in page.stdout
    assert "orders often: odds × " in page.stdout

    none = await segue(settings, "model", "second")
    assert none.exit_code == 1
    assert f"second: no version in the topic {settings.topic_prefix}models yet" in none.stderr


async def test_what_is_not_there_is_an_error_with_its_remedy(settings: Settings) -> None:
    shown = await segue(settings, "models")
    assert shown.exit_code == 1
    assert f"no ruleset is active in app {settings.app_id!r} at its Redis; are SEGUE_REDIS" in shown.stderr

    await activate(settings)
    shown = await segue(settings, "models")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count("no version yet") == 2
