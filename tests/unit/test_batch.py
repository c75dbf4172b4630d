"""What one commit carries."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from rules.errors import StateError
from rules.features import NEVER
from rules.load import load_text
from state.engine import Applied, Engine
from state.form import engine_form
from state.memory import MemoryStore
from state.store import Commit
from streams.batch import Batch, sizes_of
from streams.changes import value_of
from streams.chunk import Chunk
from streams.clocks import LiveClock
from streams.decode import open_chunk
from streams.pace import Pace
from streams.poison import PoisonLimit
from streams.profiles import Profiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from state.event import Event
    from state.profile import Profile

    Record = ConsumerRecord[bytes | None, bytes | None]

CLOCK = LiveClock(grace_ms=0, clock_skew_ms=0, max_future_ms=10**12)
ENGINE = Engine(
    load_text(
        """
segments:
  - {key: recent, when: {did: {event: '*', within: 2s}}}
  - {key: twice, when: {did: {event: '*', times: {gte: 2}}}}
segmentations: [{key: much, segments: [often], otherwise: seldom}]
""".replace("segmentations", "  - {key: often, when: {did: {event: '*', times: {gte: 3}}}}\nsegmentations")
    )
)


class Bench:
    """A partition in memory, with batches on it one after another."""

    def __init__(self, *, poison: int = 10, bound: int = 100) -> None:
        self.store = MemoryStore()
        self.profiles = Profiles(self.store, ENGINE, 0, bound)
        self.limit = PoisonLimit(poison)
        self.offset = 0
        self.epoch = 0

    def batch(self) -> Batch:
        return Batch(ENGINE, self.profiles, self.limit)

    async def apply(self, batch: Batch, records: Sequence[Record], first: int = 0, pace: Pace | None = None) -> int:
        return await batch.apply(open_chunk(Chunk(0, 1, 0, records), CLOCK, None), first, pace)

    def event(self, customer: str, at_ms: int, message: str = "", name: str = "Seen") -> Record:
        value = b'{"type":"track","userId":"%b","event":"%b","messageId":"%b"}' % (
            customer.encode(),
            name.encode(),
            message.encode(),
        )
        record: Record = ConsumerRecord("events", 0, self.offset, at_ms, 1, customer.encode(), value, None, 1, 1, ())
        self.offset += 1
        return record

    async def commit(self, batch: Batch) -> None:
        if not self.epoch:
            self.epoch = (await self.store.take_over(0)).epoch
        head = await self.store.head(0)
        await self.store.commit(
            Commit(
                partition=0,
                epoch=self.epoch,
                number=head.number + 1,
                token=str(head.number),
                ruleset=1,
                from_offset=head.offset,
                next_offset=self.offset,
                profiles=batch.saved,
                due=batch.due(set(), all_of_them=False),
                sizes=sizes_of(batch.crossings()),
            )
        )
        self.profiles.settle(batch.saved)


async def test_a_batch_carries_what_its_events_did() -> None:
    bench = Bench()
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 1_000, "m1"), bench.event("b", 1_500), bench.event("a", 2_000, "m1")])
    assert (batch.applied, batch.duplicates, batch.newest_event_ms) == (2, 1, 1_500)
    assert list(batch.saved) == ["a", "b"]
    assert sizes_of(batch.crossings()) == {"recent": 2, "much.seldom": 2}
    assert batch.crossings() == Counter({("recent", "entered"): 2, ("much.seldom", "entered"): 2})
    assert batch.due(set(), all_of_them=False) == {"a": 3_000, "b": 3_500}
    assert sorted(batch.views) == ["a", "b"]
    assert [entry.commit for entry in batch.entries("app", 7)] == [7] * 4


async def test_a_change_and_its_opposite_leave_the_sizes_alone() -> None:
    bench = Bench()
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 1_000)])
    await bench.commit(batch)
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 60_000)])
    assert batch.crossings()["recent", "exited"] == batch.crossings()["recent", "entered"] == 1
    assert "recent" not in sizes_of(batch.crossings())


async def test_who_was_only_seen_in_duplicates_is_not_written() -> None:
    bench = Bench()
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 1_000, "m1")])
    await bench.commit(batch)
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 9_000, "m1")])
    assert (batch.saved, batch.changes, batch.due(set(), all_of_them=False)) == ({}, [], {})


async def test_due_moves_only_where_it_changed_unless_all_are_asked_for() -> None:
    bench = Bench()
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 5_000)])
    await bench.commit(batch)
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 4_000)])  # late: what is due stays
    assert batch.due(set(), all_of_them=False) == {}
    assert batch.due({"a"}, all_of_them=False) == batch.due(set(), all_of_them=True) == {"a": 7_000}


async def test_a_sweep_fires_and_removes_what_is_due() -> None:
    bench = Bench()
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 1_000)])
    await bench.commit(batch)
    batch = bench.batch()
    await batch.advance(["a"], 3_001)
    assert [(change.segment, change.change, change.at) for change in batch.changes] == [("recent", "exited", 3_000)]
    assert batch.due(set(), all_of_them=True) == {"a": None}
    assert ENGINE.decode("a", batch.saved["a"]).due == NEVER


SAMPLING = Engine(
    load_text(
        """
models:
  - key: odd
    kind: anomaly
    sample: {on: [Seen], every: 1s, silent_for: 0s}
    features: {seen: {did: {event: Seen, within: 1d}}}
"""
    )
)


async def test_released_samples_are_taken_in_the_order_of_their_release() -> None:
    bench = Bench()
    bench.profiles = Profiles(bench.store, SAMPLING, 0, 100)
    batch = Batch(SAMPLING, bench.profiles, bench.limit)
    await bench.apply(batch, [bench.event("a", 3_000), bench.event("b", 1_000), bench.event("a", 5_000)])
    assert [(s.customer, s.released_at) for s in batch.released] == [("b", 1_000), ("a", 3_000), ("a", 5_000)]
    assert batch.weight_bytes > 3 * 300


@pytest.mark.usefixtures("patchable")
async def test_a_poisoned_event_doubles_no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.profiles = Profiles(bench.store, SAMPLING, 0, 100)
    batch = Batch(SAMPLING, bench.profiles, bench.limit)
    apply = SAMPLING.apply

    def raise_at_bad(profile: Profile, event: Event) -> Any:
        applied = apply(profile, event)
        if event.message_id == "bad":
            message = "a defect"
            raise RuntimeError(message)
        return applied

    monkeypatch.setattr(SAMPLING, "apply", raise_at_bad)
    await bench.apply(batch, [bench.event("a", 1_000), bench.event("a", 3_000, "bad"), bench.event("a", 5_000)])
    assert [s.released_at for s in batch.released] == [1_000, 5_000]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch be full with its first change."""
    monkeypatch.setattr("streams.batch.MOST_BYTES", 0)


@pytest.mark.usefixtures("tiny")
async def test_a_full_batch_takes_no_more_events() -> None:
    """A customer changes nothing at a repeated event: those go along, up to and including the next change."""
    bench = Bench()
    events = [bench.event("a", 1_000, "m1"), bench.event("a", 1_000, "m1"), bench.event("b", 1_000)]
    batch = bench.batch()
    assert await bench.apply(batch, events) == 1
    assert batch.full
    await bench.commit(batch)
    batch = bench.batch()
    assert await bench.apply(batch, events, 1) == 3
    assert (batch.duplicates, batch.applied, list(batch.saved)) == (1, 1, ["b"])


@pytest.mark.usefixtures("tiny")
async def test_a_full_batch_leaves_the_other_customers_timers_due() -> None:
    bench = Bench()
    for customer in "abc":
        batch = bench.batch()
        assert await bench.apply(batch, [bench.event(customer, 1_000)]) == 1
        await bench.commit(batch)
    batch = bench.batch()
    assert not await batch.advance(["a", "b", "c"], 9_000)
    assert batch.due(set(), all_of_them=True) == {"a": None}
    await bench.commit(batch)
    assert await bench.store.due(0, 9_000, 10) == [("b", 3_000), ("c", 3_000)]
    for customer in "bc":
        batch = bench.batch()
        assert await batch.advance([customer], 9_000)


@pytest.mark.usefixtures("tiny")
async def test_a_full_batch_leaves_the_other_customers_under_the_old_ruleset() -> None:
    bench = Bench()
    for customer in "ab":
        batch = bench.batch()
        await bench.apply(batch, [bench.event(customer, 1_000)])
        await bench.commit(batch)
    newer = Engine(load_text("segments: [{key: other, when: {did: {event: '*'}}}]"))
    newer.learn_forms(ENGINE.form)
    profiles = Profiles(bench.store, newer, 0, 100)
    batch = Batch(newer, profiles, bench.limit)
    assert await batch.adopt(["a", "b"], 2_000) == 1
    assert list(batch.saved) == ["a"]
    profiles.settle(batch.saved)
    batch = Batch(newer, profiles, bench.limit)
    assert await batch.adopt(["a", "b"], 2_000) == 2
    assert list(batch.saved) == ["b"]


async def test_a_change_weighs_about_what_it_is_on_the_wire() -> None:
    bench = Bench()
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 1_000)])
    sent = sum(len(value_of(entry, "2026-01-01T00:00:00.000Z")) for entry in batch.entries("app", 1))
    assert 0.5 < batch.weight_bytes / sent < 2


async def test_a_batch_is_full_with_few_changes_where_each_quotes_a_long_name() -> None:
    bench, name = Bench(), "n" * 60_000
    batch = bench.batch()
    events = [bench.event(f"c{number}", 1_000, name=name) for number in range(100)]
    done = await bench.apply(batch, events)
    assert batch.full
    assert done < 60
    sent = sum(len(value_of(entry, "2026-01-01T00:00:00.000Z")) for entry in batch.entries("app", 1))
    assert 0.5 < batch.weight_bytes / sent < 2


@pytest.fixture
def patchable() -> None:
    """Skip where the engine is compiled: then nothing of it can be replaced."""
    if engine_form() == "compiled":
        pytest.skip("a compiled engine cannot be patched")


@pytest.fixture
def poisoned(patchable: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine raise at events named Bad, after it has changed something."""
    apply = ENGINE.apply

    def raise_at_bad(profile: Profile, event: Event) -> Any:
        applied = apply(profile, event)
        if event.name == "Bad":
            message = "a defect"
            raise RuntimeError(message)
        return applied

    monkeypatch.setattr(ENGINE, "apply", raise_at_bad)


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("bad", range(5))
@pytest.mark.parametrize("committed", [0, 2])
async def test_a_poisoned_event_leaves_no_trace(bad: int, committed: int) -> None:
    """The same events with a poisoned one put in, at each place: all is as without it."""
    plain, bench = Bench(), Bench()
    customers = ["a", "b", "a", "a", "b"]
    outcomes = []
    for one in (plain, bench):
        events = []
        for number, customer in enumerate(customers):
            if one is bench and number == bad:
                events.append(one.event("a", 5_000 + number, name="Bad"))
            events.append(one.event(customer, 1_000 * number, f"m{number}"))
        first = one.batch()
        await one.apply(first, events[:committed])
        await one.commit(first)
        second = one.batch()
        await one.apply(second, events[committed:])
        await one.commit(second)
        data = await one.store.load(0, ["a", "b"])
        outcomes.append((data, first.changes + second.changes, first.applied + second.applied))
        reasons = [rejection.reason for rejection in first.rejections + second.rejections]
        assert reasons == ([] if one is plain else ["internal"])
    assert outcomes[0] == outcomes[1]


@pytest.mark.usefixtures("poisoned")
async def test_a_model_that_gets_a_version_while_a_customer_is_restored_leaves_no_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an event does may then be something else: what was done last counts, in the profile and in the changes."""
    bench = Bench()
    events = [bench.event("a", 1_000), bench.event("b", 1_000), bench.event("a", 1_100, name="Bad")]
    batch, reopen, apply = bench.batch(), bench.profiles.open, ENGINE.apply
    opened: list[str] = []

    def open_and_change(customer: str) -> Profile:
        def otherwise(profile: Profile, event: Event) -> Any:
            applied = apply(profile, event)
            if profile.customer != "a":
                return applied
            profile.seq += 1
            more = [*applied.changes, msgspec.structs.replace(applied.changes[0], seq=profile.seq, segment="more")]
            return Applied(duplicate=False, changes=more)

        if customer in opened:
            monkeypatch.setattr(ENGINE, "apply", otherwise)
        opened.append(customer)
        return reopen(customer)

    monkeypatch.setattr(bench.profiles, "open", open_and_change)
    assert await bench.apply(batch, events) == 3
    assert [(c.customer, c.seq, c.segment) for c in batch.changes] == [
        ("a", 1, "recent"), ("a", 2, "seldom"), ("a", 3, "more"), ("b", 1, "recent"), ("b", 2, "seldom"),
    ]  # fmt: skip
    assert (ENGINE.decode("a", batch.saved["a"]).seq, batch.applied) == (3, 2)


@pytest.mark.usefixtures("poisoned")
async def test_an_event_that_fails_only_when_its_customer_is_restored_is_rejected_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    events = [bench.event("a", 1_000, "m1"), bench.event("a", 1_050, "m2"), bench.event("a", 1_100, name="Bad")]
    batch, reopen, apply = bench.batch(), bench.profiles.open, ENGINE.apply
    opened: list[str] = []

    def fails(profile: Profile, event: Event) -> Any:
        if event.message_id == "m1":
            message = "a scorer that raises"
            raise RuntimeError(message)
        return apply(profile, event)

    def open_and_fail(customer: str) -> Profile:
        if customer in opened:
            monkeypatch.setattr(ENGINE, "apply", fails)
        opened.append(customer)
        return reopen(customer)

    monkeypatch.setattr(bench.profiles, "open", open_and_fail)
    assert await bench.apply(batch, events) == 3
    assert sorted(rejection.record.offset for rejection in batch.rejections) == [0, 2]
    assert (batch.applied, len(ENGINE.decode("a", batch.saved["a"]).ids)) == (1, 8)
    assert [(c.seq, c.at) for c in batch.changes] == [(1, 1_050), (2, 1_050)]


@pytest.mark.usefixtures("poisoned", "tiny")
async def test_a_poisoned_event_takes_back_nothing_that_an_earlier_batch_of_its_chunk_committed() -> None:
    bench = Bench()
    events = [bench.event("a", 1_000, "m1"), bench.event("a", 1_100, name="Bad"), bench.event("a", 1_200, "m3")]
    index, batch = 0, bench.batch()
    while index < len(events):
        batch = bench.batch()
        index = await bench.apply(batch, events, index)
        await bench.commit(batch)
    saved = ENGINE.decode("a", (await bench.store.load(0, ["a"]))[0] or b"")
    assert len(saved.ids) == 2 * 8
    assert batch.applied == 1


def outcome(batch: Batch) -> dict[str, Any]:
    return {
        "saved": batch.saved,
        "views": batch.views,
        "changes": batch.changes,
        "due": batch.due(set(), all_of_them=True),
        "rejected": [(rejection.record.offset, rejection.reason) for rejection in batch.rejections],
        "counted": (batch.applied, batch.duplicates, batch.ticks, batch.newest_event_ms),
    }


def mixed(bench: Bench) -> list[Record]:
    """Return records of four customers in turns, with duplicates, poisoned ones, and some that are no events."""
    records = []
    for number in range(80):
        customer = "abcd"[number * number * 7 % 11 % 4]
        name = "Bad" if number in {7, 31} else "Seen"
        records.append(bench.event(customer, 400 * number, f"m{number // 6}" if number % 3 == 0 else "", name))
        if number % 13 == 0:
            records.append(replace(bench.event(customer, 400 * number), key=(None, b"other", b"", b"\xff")[number % 4]))
        if number % 17 == 0:
            tick = bench.event(customer, 400 * number)
            records.append(replace(tick, key=None, value=b"", headers=(("segue-tick", b""),)))
    return records


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("stretch", [1, 3, 200])
async def test_customer_by_customer_is_record_by_record(monkeypatch: pytest.MonkeyPatch, stretch: int) -> None:
    """What a batch carries, and in which order, does not depend on the order in which customers have their turn."""
    monkeypatch.setattr("streams.batch.STRETCH", stretch)
    outcomes = []
    for grouped in (True, False):
        bench = Bench()
        batch, records = bench.batch(), mixed(bench)
        if not grouped:

            async def midway(*_: object) -> bool:
                return False

            monkeypatch.setattr(batch, "_by_customer", midway)
        assert await bench.apply(batch, records) == len(records)
        outcomes.append(outcome(batch))
    assert outcomes[0] == outcomes[1]
    assert {reason for _, reason in outcomes[0]["rejected"]} == {"internal", "no_key", "wrong_key"}
    assert all(outcomes[0]["counted"])


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("most_bytes", [0, 3_000, 6_000, 12_000])
async def test_what_is_too_much_is_undone_and_done_again_up_to_an_offset(
    monkeypatch: pytest.MonkeyPatch, most_bytes: int
) -> None:
    """Committed in parts it comes to the same as at once; each event that cannot be applied is counted once."""
    whole = Bench()
    batch = whole.batch()
    await whole.apply(batch, mixed(whole))
    await whole.commit(batch)
    wanted = (batch.changes, batch.applied, batch.duplicates, len(batch.rejections))
    monkeypatch.setattr("streams.batch.MOST_BYTES", most_bytes)
    bench = Bench(poison=2)
    records, done, parts = mixed(bench), 0, []
    while done < len(records):
        part = bench.batch()
        began, done = done, await bench.apply(part, records, done)
        assert done > began
        assert part.full or done == len(records)
        await bench.commit(part)
        parts.append(part)
    assert len(parts) > 1
    changes = [change for part in parts for change in part.changes]
    counted = [sum(of) for of in zip(*((p.applied, p.duplicates, len(p.rejections)) for p in parts), strict=True)]
    assert (changes, *counted) == wanted
    assert await bench.store.load(0, list("abcd")) == await whole.store.load(0, list("abcd"))


async def test_a_pace_keeps_a_batch_from_being_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, pace = Bench(), Pace()
    records, first = [bench.event(f"c{number}", 1_000) for number in range(40)], bench.batch()
    assert await bench.apply(first, records[:10], pace=pace) == 10
    monkeypatch.setattr("streams.batch.MOST_BYTES", first.weight_bytes)
    second = bench.batch()
    assert await bench.apply(second, records, 10, pace) == 20
    assert not second.full


@pytest.mark.usefixtures("poisoned")
async def test_too_many_poisoned_events_are_no_accident() -> None:
    bench = Bench(poison=2)
    batch = bench.batch()
    with pytest.raises(StateError, match="more than 2"):
        await bench.apply(batch, [bench.event("a", 1_000, name="Bad") for _ in range(3)])


@pytest.mark.usefixtures("patchable")
async def test_a_poisoned_timer_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 1_000), bench.event("b", 1_000)])
    await bench.commit(batch)
    advance = ENGINE.advance

    def raise_at_a(profile: Profile, before_ms: int) -> Any:
        if profile.customer == "a":
            message = "a defect"
            raise RuntimeError(message)
        return advance(profile, before_ms)

    monkeypatch.setattr(ENGINE, "advance", raise_at_a)
    batch = bench.batch()
    await batch.advance(["a", "b"], 9_000)
    assert list(batch.dropped) == ["a"]
    assert batch.due(set(), all_of_them=True) == {"a": None, "b": None}
    assert list(batch.saved) == ["b"]


@pytest.mark.usefixtures("patchable")
async def test_an_engine_that_does_not_fire_is_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    batch = bench.batch()
    await bench.apply(batch, [bench.event("a", 1_000)])
    await bench.commit(batch)
    monkeypatch.setattr(ENGINE, "advance", lambda profile, before_ms: [])
    batch = bench.batch()
    await batch.advance(["a"], 9_000)
    assert list(batch.dropped) == ["a"]


async def test_the_cache_forgets_the_longest_unused_and_reads_them_again() -> None:
    bench = Bench(bound=2)
    batch = bench.batch()
    for number, customer in enumerate("abcab"):
        batch = bench.batch()
        await bench.apply(batch, [bench.event(customer, 1_000 * number)])
        await bench.commit(batch)
        assert len(bench.profiles.known) <= 2
    assert list(bench.profiles.known) == ["a", "b"]
    assert bench.profiles.unsaved("ab") == 0
    assert sizes_of(batch.crossings())["twice"] == 1
