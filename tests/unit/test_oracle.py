"""The naive evaluator itself, held against cases worked out by hand: each kind of condition, at its boundaries.

In the timelines a second is one column, `B` a buy, `V` a view; `[` and `)` are where the truth turns.
"""

from __future__ import annotations

import hashlib

import pytest

from tests.oracle.say import CUSTOMER, event, said, when

BUY = event(10)


def buys(*seconds: float) -> list[dict[str, object]]:
    return [event(second) for second in seconds]


def test_did_holds_from_the_event_until_exactly_ts_plus_within() -> None:
    #   10        15
    #    B[========)
    assert said(when("did: {event: buy, within: 5s}"), buys(10)) == ["10 entered s", "15 exited s"]


def test_an_event_exactly_at_the_end_of_the_window_finds_the_older_one_gone() -> None:
    #   10        15
    #    B[========)B      two buys never stand in one window of 5 s
    rule = when("did: {event: buy, within: 5s, times: {gte: 2}}")
    assert said(rule, buys(10, 15)) == []
    assert said(rule, buys(10, 14.999)) == ["14.999 entered s", "15 exited s"]


def test_an_event_exactly_at_a_due_instant_comes_first_so_nothing_is_left() -> None:
    #   10        15        20
    #    B[========B=========)     the second buy is applied before the first one's window is looked at
    assert said(when("did: {event: buy, within: 5s}"), buys(10, 15)) == ["10 entered s", "20 exited s"]


@pytest.mark.parametrize(
    ("times", "crossings"),
    [
        ("{lt: 1}", ["15 entered s"]),
        ("{eq: 1}", ["10 entered s", "12 exited s", "15 entered s", "17 exited s"]),
        ("{lte: 1}", ["10 entered s", "12 exited s", "15 entered s"]),
        ("{ne: 1}", ["12 entered s", "15 exited s", "17 entered s"]),
        ("{between: [2, 3]}", ["12 entered s", "15 exited s"]),
        ("2", ["12 entered s", "15 exited s"]),
    ],
)
def test_did_counts(times: str, crossings: list[str]) -> None:
    #   10   12   15   17
    #    B    B[===)         both
    events = buys(10, 12) if times != "{lt: 1}" else buys(10)
    assert said(when(f"did: {{event: buy, within: 5s, times: {times}}}"), events) == crossings


def test_did_without_within_counts_all_that_ever_was() -> None:
    assert said(when("did: {event: [view, buy], times: {gte: 2}}"), [event(1, "view"), BUY]) == ["10 entered s"]


def test_every_type_has_its_name_and_the_star_is_any() -> None:
    events = [event(3, "page", name="Home"), event(4, "identify"), event(5, "alias")]
    assert said(when("did: {event: page, where: {name: Home}}"), events) == ["3 entered s"]
    assert said(when('did: {event: "*", times: {gte: 3}}'), events) == ["5 entered s"]


@pytest.mark.parametrize(
    ("comparison", "crossings"),
    [
        ("gte: 5s", ["15 entered s"]),
        ("gt: 5s", ["15.001 entered s"]),
        ("lt: 5s", ["10 entered s", "15 exited s"]),
        ("lte: 5s", ["10 entered s", "15.001 exited s"]),
        ("eq: 5s", ["15 entered s", "15.001 exited s"]),
        ("ne: 5s", ["10 entered s", "15 exited s", "15.001 entered s"]),
        ("between: [2s, 5s]", ["12 entered s", "15.001 exited s"]),
        ("gte: 2s, lt: 5s", ["12 entered s", "15 exited s"]),
    ],
)
def test_since_last_and_first_turn_at_the_millisecond(comparison: str, crossings: list[str]) -> None:
    assert said(when(f"since_last: {{event: buy, {comparison}}}"), buys(10)) == crossings
    assert said(when(f"since_first: {{event: buy, {comparison}}}"), buys(10)) == crossings


def test_since_last_goes_by_time_not_arrival() -> None:
    #   10   12     17
    #    b1   b0     [    the buy of 10 s arrives after that of 12 s
    assert said(when("since_last: {event: buy, gte: 5s}"), buys(12, 10)) == ["17 entered s"]
    assert said(when("since_first: {event: buy, gte: 5s}"), buys(12, 10)) == ["15 entered s"]


def test_with_no_event_since_is_false_however_it_is_asked() -> None:
    assert said(when("since_last: {event: buy, ne: 5s}"), [event(1, "view")]) == []
    assert said(when("not: {since_first: {event: buy, lt: 5s}}"), [event(1, "view")]) == ["1 entered s"]


def test_a_sequence_takes_any_choice_of_events() -> None:
    #   10   14   16
    #    V    V    B      the nearest view is too near, the one before will do
    rule = when("sequence: {steps: [{event: view}, {event: buy, after: 3s, within: 6s}], within: 5s}")
    events = [event(10, "view"), event(14, "view"), event(16)]
    assert said(rule, events) == ["16 entered s", "21 exited s"]


@pytest.mark.parametrize(("gap", "holds"), [(1.999, False), (2, True), (5, True), (5.001, False)])
def test_a_step_s_bounds_are_both_included(gap: float, holds: bool) -> None:
    rule = when("sequence: {steps: [{event: view}, {event: buy, after: 2s, within: 5s}]}")
    assert said(rule, [event(10, "view"), event(10 + gap)]) == [f"{10 + gap:g} entered s"] * holds


def test_a_sequence_goes_by_arrival_and_times_may_be_equal_but_not_go_back() -> None:
    rule = when("sequence: {steps: [{event: view}, {event: buy}]}")
    assert said(rule, [event(10, "view"), event(10)]) == ["10 entered s"]
    assert said(rule, [event(10), event(10, "view")]) == []
    assert said(rule, [event(10, "view"), event(9)]) == []
    assert said(rule, [event(12), event(10, "view")]) == []


def test_no_event_stands_for_two_steps() -> None:
    rule = when("sequence: {steps: [{event: buy}, {event: buy}]}")
    assert said(rule, buys(10)) == []
    assert said(rule, buys(10, 10)) == ["10 entered s"]


def test_what_is_too_late_takes_no_part_in_a_sequence() -> None:
    #   10   12   15         the clock is at 15 when the view of 10 or 12 comes
    rule = when("sequence: {steps: [{event: view}, {event: buy}]}")
    on_time = [event(15, "page"), event(12, "view"), event(16)]
    late = [event(15, "page"), event(11.999, "view"), event(16)]
    assert said(rule, on_time, max_late_ms=3000) == ["16 entered s"]
    assert said(rule, late, max_late_ms=3000) == []
    assert said(when("did: {event: view}"), late, max_late_ms=3000) == ["15 entered s"]


def test_then_not_holds_from_wait_to_within_unless_the_other_comes() -> None:
    #   10      13      15
    #    V       [=======)
    rule = when("then_not: {event: view, but: {event: buy}, wait: 3s, within: 5s}")
    view = event(10, "view")
    assert said(rule, [view]) == ["13 entered s", "15 exited s"]
    assert said(rule, [view, event(14)]) == ["13 entered s", "14 exited s"]
    assert said(rule, [view, event(13)]) == []
    assert said(rule, [event(10), view]) == ["13 entered s", "15 exited s"]  # a buy at e itself does not count
    assert said(rule, [view, event(12, "view")]) == ["15 entered s", "17 exited s"]


@pytest.mark.parametrize(
    ("agg", "value"),
    [("sum", 6.5), ("avg", 2.166667), ("min", 1), ("max", 3.5), ("distinct", 3), ("first", 2), ("last", 3.5)],
)
def test_each_aggregate_of_three_buys(agg: str, value: float) -> None:
    rule = when(f"total: {{event: buy, of: n, agg: {agg}, eq: {value}}}")
    events = [event(11, properties={"n": 1}), event(10, properties={"n": 2}), event(12, properties={"n": 3.5})]
    assert said(rule, events)[-1].endswith("entered s")


def test_a_total_leaves_its_window_and_with_no_value_it_is_false() -> None:
    #   10   12   15   17
    #    2    1        )        sum: 2, 3, 1, none
    events = [event(10, properties={"n": 2}), event(12, properties={"n": 1})]
    rule = when("total: {event: buy, of: n, agg: sum, lt: 3, within: 5s}")
    assert said(rule, events) == ["10 entered s", "12 exited s", "15 entered s", "17 exited s"]


def test_sums_are_exact_in_millionths_and_round_half_to_even() -> None:
    rule = when("total: {event: buy, of: n, agg: sum, eq: 0.3}")
    assert said(rule, [event(1, properties={"n": 0.1}), event(2, properties={"n": 0.2})]) == ["2 entered s"]
    half = when("total: {event: buy, of: n, agg: sum, eq: 0.000002}")
    assert said(half, [event(1, properties={"n": 0.0000015})]) == ["1 entered s"]
    assert said(half, [event(1, properties={"n": 0.0000025})]) == ["1 entered s"]


def test_which_values_an_aggregate_takes() -> None:
    events = [event(1, properties={"v": [{"n": 1}, {"n": "60"}, {"n": True}, {"n": 1.0}, {"n": [7]}, {"n": None}]})]
    assert said(when("total: {event: buy, of: v.n, agg: sum, eq: 2}"), events) == ["1 entered s"]
    assert said(when("total: {event: buy, of: v.n, agg: distinct, eq: 3}"), events) == ["1 entered s"]
    assert said(when("total: {event: buy, of: v.n, agg: last, eq: 1}"), events) == ["1 entered s"]


def test_first_and_last_go_by_time_then_arrival_then_place() -> None:
    events = [
        event(2, properties={"v": "b"}),
        event(2, properties={"v": "c"}),
        event(1, properties={"v": "a"}),
        event(1, properties={"v": "z"}),
    ]
    assert said(when("total: {event: buy, of: v, agg: first, eq: a}"), events) == ["2 entered s"]
    assert said(when("total: {event: buy, of: v, agg: last, eq: c}"), events) == ["2 entered s"]
    both = when("total: {event: buy, of: l.v, agg: last, eq: y}")
    assert said(both, [event(1, properties={"l": [{"v": "x"}, {"v": "y"}]})]) == ["1 entered s"]


def test_past_256_values_whole_panes_leave() -> None:
    # within 6.4 s: panes of 100 ms. 257 values at 10.01 s lie in the pane [10, 10.1), which leaves at 10.1 + 6.4.
    many = {"l": [{"n": 1}] * 257}
    rule = when("total: {event: buy, of: l.n, agg: sum, gte: 1, within: 6400ms}")
    assert said(rule, [event(10.01, properties=many)]) == ["10.01 entered s", "16.5 exited s"]
    few = {"l": [{"n": 1}] * 256}
    assert said(rule, [event(10.01, properties=few)]) == ["10.01 entered s", "16.41 exited s"]


def test_once_the_panes_are_empty_the_window_is_exact_again() -> None:
    rule = when("total: {event: buy, of: l.n, agg: sum, gte: 1, within: 6400ms}")
    events = [event(10.01, properties={"l": [{"n": 1}] * 257}), event(20.01, properties={"l": [{"n": 1}]})]
    assert said(rule, events)[2:] == ["20.01 entered s", "26.41 exited s"]


def test_a_trait_with_a_relative_date_turns_by_itself() -> None:
    #   10       15
    #    [========)     renewed at 10 s: told at 1 s, when that is still to come
    told = event(1, "identify", traits={"renewed": "2026-03-01T00:00:10Z"})
    assert said(when("trait: {renewed: {within_last: 5s}}"), [told]) == ["10 entered s", "15 exited s"]
    assert said(when("trait: {renewed: {older_than: 5s}}"), [told]) == ["15 entered s"]


def test_before_and_after_are_strict_and_a_date_alone_is_midnight() -> None:
    told = [event(1, "identify", traits={"d": "2026-03-01"})]
    assert said(when('trait: {d: {before: "2026-03-01T00:00:00.001Z"}}'), told) == ["1 entered s"]
    assert said(when('trait: {d: {before: "2026-03-01"}}'), told) == []
    assert said(when('trait: {d: {after: "2026-03-01"}}'), told) == []
    assert said(when('trait: {d: {after: "2026-03-01T00:59:59.999+01:00"}}'), told) == ["1 entered s"]


def test_the_newest_write_of_a_trait_wins_and_a_removal_keeps_its_time() -> None:
    rule = when("trait: {plan: pro}")
    pro, none = {"plan": "pro"}, {"plan": None}
    assert said(rule, [event(2, "identify", traits=pro), event(1, "identify", traits=none)]) == ["2 entered s"]
    assert said(rule, [event(2, "identify", traits=none), event(1, "identify", traits=pro)]) == []
    same = [event(2, "identify", traits=pro), event(2, "identify", traits=none), event(2, "identify", traits=pro)]
    assert said(rule, same) == ["2 entered s", "2 exited s", "2 entered s"]
    assert said(rule, [event(2, "group", traits=pro)]) == []


def test_every_named_trait_must_meet_its_comparison() -> None:
    rule = when("trait: {plan: pro, address.city: {in: [Oslo, Bergen]}}")
    assert said(rule, [event(1, "identify", traits={"plan": "pro"})]) == []
    assert said(rule, [event(1, "identify", traits={"plan": "pro", "address": [{"city": "Oslo"}]})]) == ["1 entered s"]


def test_in_segment_for_a_while_turns_by_itself() -> None:
    #   10     13    15
    #    B[a=========)       a
    #           [b===)       b
    definitions = {
        "segments": [
            {"key": "b", "when": {"in_segment": {"key": "a", "at_least": "3s"}}},
            {"key": "a", "when": {"did": {"event": "buy", "within": "5s"}}},
        ]
    }
    assert said(definitions, buys(10)) == ["10 entered a", "13 entered b", "15 exited a", "15 exited b"]


def test_in_segment_of_a_segmentation_and_its_otherwise() -> None:
    definitions = {
        "segments": [
            {"key": "buyer", "when": {"did": {"event": "buy", "within": "5s"}}},
            {"key": "gone", "when": {"in_segment": {"key": "life.lead", "at_least": "2s"}}},
        ],
        "segmentations": [{"key": "life", "segments": ["buyer"], "otherwise": "lead"}],
    }
    assert said(definitions, buys(10)) == [
        *("10 entered life.buyer", "15 exited life.buyer", "15 entered life.lead"),
        "17 entered gone",
    ]


def test_chance_is_the_hash_of_salt_and_customer() -> None:
    digest = hashlib.sha256(b"test\x00" + CUSTOMER.encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    assert said(when(f"chance: {{salt: test, lt: {share + 1e-6:.9f}}}"), [BUY]) == ["10 entered s"]
    assert said(when(f"chance: {{salt: test, lt: {share - 1e-6:.9f}}}"), [BUY]) == []
    assert said(when("chance: {salt: test, lt: 1}"), [BUY]) == ["10 entered s"]


def test_algebra() -> None:
    assert said(when("all: []"), [BUY]) == ["10 entered s"]
    assert said(when("any: []"), [BUY]) == []
    assert said(when("not: {any: []}"), [BUY]) == ["10 entered s"]
    rule = when("all: [{did: {event: buy, within: 5s}}, {not: {did: {event: view, within: 2s}}}]")
    assert said(rule, [event(9, "view"), BUY]) == ["11 entered s", "15 exited s"]
