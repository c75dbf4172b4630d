from __future__ import annotations

import itertools

import pytest

from streams.http.webhooks.attempt import Outcome
from streams.http.webhooks.schedule import STEPS_S, verdict

NOW_MS = 1_000_000


def waits(outcome: Outcome, spread: float = 0) -> list[float]:
    """Return the waits in seconds between attempts that all come to this, until the delivery is spent."""
    found: list[float] = []
    for tries in itertools.count(1):
        said = verdict(outcome, tries, NOW_MS, spread)
        if said.kind == "spent":
            return found
        assert said.kind == "again"
        found.append((said.due_ms - NOW_MS) / 1000)
    raise AssertionError


@pytest.mark.parametrize(
    "outcome",
    [Outcome(status=status) for status in (500, 503, 408, 425, 429, 599)]
    + [Outcome(failure="timeout"), Outcome(failure="address"), Outcome(status=302, failure="redirect")],
    ids=str,
)
def test_what_may_pass_is_tried_ten_times_within_three_days(outcome: Outcome) -> None:
    minute, hour = 60, 3_600
    assert waits(outcome) == [
        *(5, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour)
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 451, 499])
def test_a_refusal_is_tried_three_times_in_all(status: int) -> None:
    assert waits(Outcome(status=status)) == [5, 300]


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_2xx_is_done_however_often_it_was_tried(status: int) -> None:
    assert {verdict(Outcome(status=status), tries, NOW_MS, 0).kind for tries in (1, 3, 10)} == {"done"}


def test_gone_is_neither_tried_again_nor_given_up() -> None:
    assert verdict(Outcome(status=410), 10, NOW_MS, 0).kind == "gone"


def test_waits_are_spread_by_a_tenth_either_way() -> None:
    assert waits(Outcome(status=500), 1) == pytest.approx([step * 1.1 for step in STEPS_S])
    assert waits(Outcome(status=500), -1) == pytest.approx([step * 0.9 for step in STEPS_S])


@pytest.mark.parametrize(
    ("status", "asked_s", "wait_s"),
    [
        (429, 60, 60),
        (503, 60, 60),
        (429, 1, 5),  # never shorter than the schedule's own
        (429, 10 * 86_400, 86_400),  # at most the longest step
        (500, 60, 5),  # says nothing there
        (429, 0, 5),
    ],
)
def test_retry_after_makes_a_wait_longer(status: int, asked_s: float, wait_s: float) -> None:
    assert waits(Outcome(status=status, retry_after_s=asked_s))[0] == wait_s
