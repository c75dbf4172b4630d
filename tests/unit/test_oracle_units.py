"""The naive evaluator itself: segments and segmentations, what comes first, and when things happen."""

from __future__ import annotations

from typing import Any

from tests.oracle import expected_live, expected_replay
from tests.oracle.say import MIDNIGHT_MS, event, record, said, said_live, when

BOUGHT_5S = "did: {event: buy, within: 5s}"
VIEWED_5S: dict[str, Any] = {"did": {"event": "view", "within": "5s"}}
BOUGHT: dict[str, Any] = {"did": {"event": "buy", "within": "5s"}}

LIFE: dict[str, Any] = {
    "segments": [{"key": "hot", "when": BOUGHT}, {"key": "warm", "when": VIEWED_5S}],
    "segmentations": [{"key": "life", "segments": ["hot", "warm"], "otherwise": "cold"}],
}


# Segments


def test_until_puts_out_and_keeps_out_while_it_holds() -> None:
    #   10   12        17        20
    #    B    V         )               view within 5 s: out, and in again as soon as it no longer holds
    rule = when("did: {event: buy}", until=VIEWED_5S)
    assert said(rule, [event(10), event(12, "view")]) == ["10 entered s", "12 exited s", "17 entered s"]


def test_with_until_the_end_of_when_puts_nobody_out() -> None:
    assert said(when(BOUGHT_5S, until=VIEWED_5S), [event(10), event(20, "view")]) == ["10 entered s", "20 exited s"]


def test_min_stay_holds_until_exactly_its_end() -> None:
    #   10     15     18
    #    B[=====)------)
    assert said(when(BOUGHT_5S, min_stay="8s"), [event(10)]) == ["10 entered s", "18 exited s"]
    assert said(when(BOUGHT_5S, min_stay="8s"), [event(10), event(16)]) == ["10 entered s", "21 exited s"]


def test_a_min_stay_begins_anew_with_each_entry() -> None:
    events = [event(10), event(12, "view"), event(18), event(19, "view")]
    rule = when("did: {event: buy}", until={"did": {"event": "view", "within": "1s"}}, min_stay="2s")
    assert said(rule, events) == ["10 entered s", "12 exited s", "13 entered s", "19 exited s", "20 entered s"]


def test_the_first_event_enters_a_segmentation_and_says_nothing_of_segments_outside() -> None:
    both = {**LIFE, "segments": [*LIFE["segments"], {"key": "own", "when": {"any": []}}]}
    assert said(both, [event(10, "page")]) == ["10 entered life.cold"]


def test_the_first_that_holds_wins() -> None:
    #   10    12    15    17
    #    V     B     |     |      view until 15, buy until 17
    assert said(LIFE, [event(10, "view"), event(12)]) == [
        *("10 entered life.warm", "12 exited life.warm", "12 entered life.hot"),
        *("17 exited life.hot", "17 entered life.cold"),
    ]


def test_the_other_side_of_a_move_is_named() -> None:
    changes = expected_replay(LIFE, [record(event(10)), record(event(20, "view"))]).changes
    assert [(one.segment, one.other, one.seq) for one in changes] == [
        *(("hot", None, 1), ("hot", "cold", 2), ("cold", "hot", 3)),
        *(("cold", "warm", 4), ("warm", "cold", 5)),
    ]


def test_exits_come_before_entries_each_by_key_and_own_segments_before_segmentations() -> None:
    definitions = {
        "segments": [
            *({"key": key, "when": BOUGHT} for key in ("c", "a")),
            *({"key": key, "when": {"not": BOUGHT}} for key in ("d", "b")),
            *({"key": key, "when": BOUGHT} for key in ("p", "q")),
        ],
        "segmentations": [
            {"key": "z", "segments": ["p"], "otherwise": "none"},
            {"key": "y", "segments": ["q"], "otherwise": "none"},
        ],
    }
    assert said(definitions, [event(10)]) == [
        *("10 entered a", "10 entered c", "10 entered z.p", "10 entered y.q"),
        *("15 exited a", "15 exited c", "15 exited z.p", "15 exited y.q"),
        *("15 entered b", "15 entered d", "15 entered y.none", "15 entered z.none"),
    ]
    last = expected_replay(definitions, [record(event(10))], until_ms=MIDNIGHT_MS + 59_000).changes[-1]
    assert last.segments == ("b", "d", "y.none", "z.none")


# When things happen


def test_what_is_due_before_an_event_happens_before_it_at_its_own_instant() -> None:
    #   10        15     20
    #    B[========)      B
    assert said(when(BOUGHT_5S), [event(10), event(20)]) == [
        *("10 entered s", "15 exited s", "20 entered s", "25 exited s"),
    ]


def test_the_cause_is_the_event_where_it_comes_at_the_due_instant() -> None:
    rule = when("all: [{did: {event: buy, within: 5s}}]")
    changes = expected_replay(rule, [record(event(10)), record(event(15, "view", messageId="m1"))]).changes
    assert changes[-1].cause == {"type": "event", "event": "view", "message_id": "m1"}
    changes = expected_replay(rule, [record(event(10)), record(event(15.001, "view"))]).changes
    assert changes[-1].cause == {"type": "timer"}


def test_a_late_event_counts_where_it_belongs_and_is_evaluated_at_the_clock() -> None:
    #   10        15     the clock is at 12 when the buy of 10 comes
    assert said(when(BOUGHT_5S), [event(12, "page"), event(10)]) == ["12 entered s", "15 exited s"]
    assert said(when(BOUGHT_5S), [event(16, "page"), event(10)]) == []


def test_an_evaluation_that_changes_nothing_leaves_no_trace() -> None:
    #   10        15      20     the buy of 10 leaves its window at 15: nobody was in for it, so the clock stays at 10
    #    B         )             and the view of 11, though it comes after 20, is evaluated at 11
    rule = when("all: [{did: {event: buy, within: 5s}}, {did: {event: view}}]")
    log = [(10, event(10)), (21, event(11, "view")), (30, None)]
    assert said_live(rule, log) == ["11 entered s", "15 exited s"]


def test_live_what_is_due_before_the_floor_happens_first() -> None:
    #   10        15    broker 17, grace 1 s: floor 16; the late buy of 12 is evaluated at 15, where the exit was
    rule = when(BOUGHT_5S)
    assert said_live(rule, [(10, event(10)), (17, event(12)), (30, None)]) == [
        *("10 entered s", "15 exited s", "15 entered s", "17 exited s"),
    ]
    assert said_live(rule, [(10, event(10)), (16, event(12)), (30, None)]) == ["10 entered s", "17 exited s"]


def test_live_ends_strictly_before_the_newest_broker_time_less_grace_and_skew() -> None:
    rule = when(BOUGHT_5S)
    assert said_live(rule, [(10, event(10)), (16.1, None)]) == ["10 entered s"]
    assert said_live(rule, [(10, event(10)), (16.101, None)]) == ["10 entered s", "15 exited s"]
    assert said_live(rule, [(10, event(10))], until_ms=MIDNIGHT_MS + 15_000) == ["10 entered s", "15 exited s"]
    assert said_live(rule, [(10, event(10)), (15.001, None)], grace_ms=0, clock_skew_ms=0)[1:] == ["15 exited s"]


def test_live_an_event_without_time_or_too_far_ahead_takes_the_broker_s() -> None:
    rule = when("did: {event: buy}")
    assert said_live(rule, [(10, event(10, timestamp=None))]) == ["10 entered s"]
    assert said_live(rule, [(10, event(12))], max_future_ms=2000) == ["12 entered s"]
    assert said_live(rule, [(10, event(12.001))], max_future_ms=2000) == ["10 entered s"]


def test_a_replay_ends_with_what_is_due_at_its_horizon() -> None:
    rule = when(BOUGHT_5S)
    assert said(rule, [event(10)], until=15) == ["10 entered s", "15 exited s"]
    assert said(rule, [event(10)], until=14.999) == ["10 entered s"]
    other = event(15, userId="c2", kind="view")
    assert said(rule, [event(10), other], until=None) == ["10 entered s", "15 exited s"]


def test_events_after_until_are_not_applied_but_counted() -> None:
    result = expected_replay(when("did: {event: buy}"), [record(event(10))], until_ms=MIDNIGHT_MS + 9_999)
    assert (result.events, result.applied, result.after_until, result.changes) == (1, 0, 1, [])


def test_rejected_records_and_duplicates_move_nothing() -> None:
    #   10        15      20
    #    B                x        neither a bad record nor a repeat at 20 makes the exit at 15 happen before the
    #         B12                  late buy of 12 comes
    rule = when(BOUGHT_5S)
    again = event(20, messageId="m1")
    many = event(20, "identify", traits={f"t{place}": 1 for place in range(257)})
    log = [event(10, messageId="m1"), again, many, event(12)]
    assert said(rule, log, until=30) == ["10 entered s", "17 exited s"]
    result = expected_replay(rule, [record(one) for one in log])
    assert (result.applied, result.duplicates, result.rejected.total()) == (2, 1, 1)


def test_a_duplicate_is_one_of_the_last_256_accepted() -> None:
    rule = when("did: {event: buy, times: {gte: 258}}")
    distinct = [event(1, messageId=f"m{place}") for place in range(257)]
    assert said(rule, [*distinct, event(2, messageId="m1")]) == []
    assert said(rule, [*distinct, event(2, messageId="m0")]) == ["2 entered s"]
    assert said(rule, [event(1)] * 258) == ["1 entered s"]


def test_customers_do_not_meet() -> None:
    log = [record(event(10)), record(event(11, userId="c2"))]
    result = expected_live(when("did: {event: buy, times: {gte: 2}}"), log)
    assert (result.changes, result.customers) == ([], 2)
