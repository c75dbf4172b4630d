"""The verdict finds what is wrong: a change that is lost, said twice, late, untrue, or on another partition."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from rules.load import load_ruleset
from streams.settings import Settings
from tests.chaos.crowd import Crowd
from tests.chaos.scene import RULES
from tests.chaos.verdict import expect, faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.verdict import Expected

    Log = dict[int, list[Any]]

BEGIN_MS = 1_790_000_000_000
PARTITIONS = 2


def record(value: bytes | None, **others: Any) -> Any:
    return SimpleNamespace(value=value, headers=(), **others)


@pytest.fixture(scope="module")
def expected() -> Expected:
    """Return what 500 events of one second and a half make certain."""
    crowd = Crowd(Random(1), [f"c{number}" for number in range(20)], PARTITIONS)
    log: Log = {0: [], 1: []}
    for now_ms in range(BEGIN_MS, BEGIN_MS + 1_500, 3):
        sent = crowd.next(now_ms)
        partition = sum(sent.key or b"") % PARTITIONS
        log[partition].append(record(sent.value, key=sent.key, timestamp=now_ms, offset=len(log[partition])))
    return expect(Settings(grace=0, clock_skew=0), load_ruleset(RULES), log)


def said(expected: Expected) -> Log:
    """Return the change topic as it ought to be."""
    topic: Log = {0: [], 1: []}
    for customer, changes in expected.told.items():
        for change in changes:
            value = orjson.dumps(change | {"emitted_at": "2026-01-01T00:00:00.000Z"})
            one = record(value, key=customer.encode(), partition=expected.partitions[customer], offset=0)
            one.headers = [("ce_id", change["id"].encode())]
            topic[one.partition].append(one)
    return topic


def change(one: Any, **fields: Any) -> None:
    one.value = orjson.dumps(orjson.loads(one.value) | fields)


def middle(log: Log) -> int:
    return len(log[0]) // 2


def lose(log: Log) -> None:
    del log[0][middle(log)]


def lose_the_last(log: Log) -> None:
    del log[0][-1]


def repeat(log: Log) -> None:
    log[0].append(log[0][middle(log)])


def swap(log: Log) -> None:
    log[0][0:2] = reversed(log[0][0:2])


def delay(log: Log) -> None:
    change(log[0][-1], at="2027-01-01T00:00:00.000Z")


def give_another_reason(log: Log) -> None:
    change(log[0][middle(log)], because=[])


def misplace(log: Log) -> None:
    log[1] += log[0]
    log[0] = []


def test_all_is_well_where_all_is_as_it_ought_to_be(expected: Expected) -> None:
    assert sum(map(len, expected.told.values())) > 300
    assert faults(expected, said(expected)) == []


@pytest.mark.parametrize("wrong", [lose, lose_the_last, repeat, swap, delay, give_another_reason, misplace])
def test_what_is_wrong_is_found(expected: Expected, wrong: Callable[[Log], None]) -> None:
    topic = said(expected)
    wrong(topic)
    assert faults(expected, topic)
