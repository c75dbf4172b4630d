"""Some bad input in each run, and the fuzzer itself: what it makes, what it finds, how small it makes it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from streams import batch, rejected
from streams.batch import Batch
from tests.fuzz import http, inside
from tests.fuzz.cuts import CUTS
from tests.fuzz.judge import Judge
from tests.fuzz.originals import FULL, bought
from tests.fuzz.shrink import smallest
from tests.fuzz.strategies import logs
from tests.fuzz.trees import MUTATIONS, SELDOM, copied
from tests.fuzz.worlds import BEGIN_MS, Sent, world
from tests.fuzz.writing import Raw, write

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED = 20


def everybody(_customer: str) -> bool:
    return True


def nobody(_customer: str) -> bool:
    return False


def check(records: Sequence[Sent], followed: inside.Follows = nobody) -> list[str]:
    return asyncio.run(inside.check(records, followed))


def test_a_world_goes_through_and_the_good_ones_are_told_what_the_oracle_says() -> None:
    counts: Counter[str] = Counter()
    faults = asyncio.run(inside.check(world(SEED, 0), lambda customer: customer.endswith("7"), counts))
    assert faults == []
    assert sum(counts.values()) == 1_000
    assert counts["applied"] > 400
    assert len(counts) > 12


async def test_a_world_over_http() -> None:
    counts: Counter[str] = Counter()
    assert await http.check(world(SEED, 1, 200), counts) == []
    assert counts["taken"] > 50
    assert sum(counts.values()) - counts["taken"] > 100


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(logs())
def test_whatever_hypothesis_draws_is_applied_or_rejected(log: Sequence[Sent]) -> None:
    assert check(log, everybody) == []


def test_worlds_are_their_seeds() -> None:
    assert world(SEED, 2, 50) == world(SEED, 2, 50)
    assert world(SEED, 2, 50) != world(SEED, 3, 50)
    assert world(SEED, 2, 50) != world(SEED + 1, 2, 50)


@pytest.mark.parametrize("mutate", dict.fromkeys([*MUTATIONS, *SELDOM]), ids=lambda mutate: mutate.__name__)
def test_every_mutation_of_a_tree_takes_every_event_and_leaves_the_original_alone(mutate: Any) -> None:
    originals = [*FULL, *bought()[:3], {}]
    before = json.dumps(originals)
    made = {
        write(event)
        for seed in range(20)
        for original in originals
        if mutate(Random(seed), event := copied(original)) is None
    }
    assert len(made) > len(originals)
    assert json.dumps(originals) == before


@pytest.mark.parametrize("cut", dict.fromkeys(CUTS), ids=lambda cut: cut.__name__)
def test_every_mutation_of_bytes_takes_any_bytes(cut: Any) -> None:
    values = [b"", b"{", b"\xff", *(json.dumps(event).encode() for event in FULL)]
    made = {cut(Random(seed), value) for seed in range(20) for value in values}
    assert made - set(values)


def test_raw_bytes_stand_in_a_tree_as_they_are() -> None:
    twice = Raw(b"1e400")
    assert write({"a": twice, "b": [Raw(b'"\xff"'), twice], "é\x00": 1}) == (
        b'{"a":1e400,"b":["\xff",1e400],"\xc3\xa9\\u0000":1}'
    )


GOOD = [Sent(write({"type": "track", "userId": f"c{n}", "event": "Seen"}), b"c%d" % n, BEGIN_MS + n) for n in range(9)]
BAD = Sent(b'{"type":"track","userId":"c4","event":NaN}', b"c4", BEGIN_MS)


class TestItFinds:
    """Each fault of the pipeline is noticed, and shown small."""

    def test_nothing_where_nothing_is_wrong(self) -> None:
        assert check([*GOOD, BAD], everybody) == []

    def test_a_crash(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def crash(*_: Any) -> Any:
            message = "deep"
            raise RecursionError(message)

        monkeypatch.setattr(batch, "decode_event", crash)
        assert "rejected as internal" in check(GOOD)[0]

    def test_a_crash_of_the_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def crash(*_: Any) -> Any:
            message = "deep"
            raise RecursionError(message)

        monkeypatch.setattr(batch, "_customer", crash)
        assert "RecursionError" in check(GOOD)[0]

    def test_a_bad_record_taken_and_a_good_one_rejected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Judge, "verdicts", lambda *_, **__: frozenset(("bad_number",)))
        found = check([GOOD[0], BAD])
        assert "it was taken" in found[0]
        assert "rejected as not_json" in found[1]

    def test_a_rejection_from_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        headers = vars(rejected)["_headers"]

        def wrong(rejection: rejected.Rejection) -> list[tuple[str, bytes]]:
            return [(name, b"0" if name == "offset" else value) for name, value in headers(rejection)]

        monkeypatch.setattr(rejected, "_headers", wrong)
        found = check([*GOOD, BAD])
        assert "rejected as something else than was sent" in found[0]
        assert any("it was taken" in fault for fault in found)

    def test_a_good_record_that_is_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        apply = Batch.apply

        async def lose(batch: Batch, chunk: Any, first: int, pace: Any) -> int:
            await apply(batch, chunk, first + 1, pace)
            return len(chunk.records)

        monkeypatch.setattr(Batch, "apply", lose)
        assert "8 applied, 0 duplicates" in check(GOOD)[0]

    def test_a_change_that_the_good_ones_alone_would_not_make(self, monkeypatch: pytest.MonkeyPatch) -> None:
        apply = Batch.apply

        async def twice(one: Batch, chunk: Any, first: int, pace: Any) -> int:
            end = await apply(one, chunk, first, pace)
            one._made += one._made[:1]  # noqa: SLF001 - the changes in the order in which they were made
            return end

        monkeypatch.setattr(Batch, "apply", twice)
        assert any("of the good records alone" in fault for fault in check(GOOD))

    def test_the_least_that_fails(self) -> None:
        def fails(records: Sequence[Sent]) -> bool:
            return any(b"NaN" in (sent.value or b"") for sent in records)

        assert [sent.value for sent in smallest([*GOOD, BAD, *GOOD], fails)] == [b"NaN"]
