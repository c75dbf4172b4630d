"""A partition that does not get on is noticed; one that rests, is slow or waits for a service is not taken for it."""

from __future__ import annotations

import pytest

from rules.errors import StateError
from streams.inquiry import Found
from streams.transport import Place
from streams.watch import Seen, Watch

LIMIT_S = 60
REST = Seen(7, signs=1, failures=0, idle=True, resting=True, pausing=False, place=Place(7, 7))
AT_WORK = REST._replace(idle=False, resting=False)
TAKING = Seen(None, signs=0, failures=0, idle=True, resting=False, pausing=False, place=None)
NOTHING_WAITS = Found(7, 7, waits=False)
RECORDS_WAIT = Found(7, 9, waits=True)


class Time:
    """A watch, and the seconds that pass for it."""

    def __init__(self) -> None:
        self.now_s = 0
        self.watch = Watch("customer-events", 3, LIMIT_S, 0)
        self.asked = 0

    def passes(self, seconds: int, seen: Seen, found: Found | None = None) -> int | None:
        """Look each second, and tell what is found each time that the watch asks; return when it stalled."""
        for _ in range(seconds):
            self.now_s += 1
            self.watch.look(seen, self.now_s)
            if self.watch.stall(self.now_s) is not None:
                return self.now_s
            if self.watch.wants(self.now_s):
                self.asked += 1
                self.watch.told(found, self.now_s)
        return None


@pytest.fixture
def time() -> Time:
    return Time()


def test_a_partition_at_rest(time: Time) -> None:
    assert time.passes(1_000, REST, NOTHING_WAITS) is None
    assert 20 <= time.asked <= 66
    assert time.watch.still_s(time.now_s) < LIMIT_S / 2


def test_one_that_gets_on_however_slowly(time: Time) -> None:
    for offset in range(8, 40):
        assert time.passes(LIMIT_S - 1, AT_WORK._replace(applied=offset), RECORDS_WAIT) is None


def test_one_whose_client_died_in_silence(time: Time) -> None:
    time.passes(500, REST, NOTHING_WAITS)
    stalled_s = time.passes(500, REST, RECORDS_WAIT)
    assert stalled_s is not None
    assert 500 + LIMIT_S <= stalled_s <= 500 + 1.6 * LIMIT_S
    stall = time.watch.stall(time.now_s)
    assert str(stall).startswith(
        "customer-events/3: nothing was done for 61 s; it stands at offset 7, 2 before the end"
    )
    assert "starts it again" in str(stall)


def test_timers_that_go_on_firing_do_not_hide_it(time: Time) -> None:
    for signs in range(200):
        if time.passes(1, REST._replace(signs=signs), RECORDS_WAIT) is not None:
            return
    pytest.fail("it was not noticed")


@pytest.mark.parametrize("found", [NOTHING_WAITS, RECORDS_WAIT], ids=["a sweep", "a chunk"])
def test_a_step_that_hangs(time: Time, found: Found) -> None:
    time.passes(10, REST, found)
    hangs = REST._replace(resting=False) if found is NOTHING_WAITS else AT_WORK
    stalled_s = time.passes(500, hangs, found)
    assert stalled_s is not None
    assert LIMIT_S <= stalled_s <= 10 + LIMIT_S + 1


def test_a_long_step_that_gives_signs(time: Time) -> None:
    time.passes(1, REST)
    for signs in range(2, 30):
        assert time.passes(LIMIT_S - 1, AT_WORK._replace(signs=signs), RECORDS_WAIT) is None


def test_a_long_take_over_that_gives_signs(time: Time) -> None:
    for signs in range(30):
        assert time.passes(LIMIT_S - 1, TAKING._replace(signs=signs), RECORDS_WAIT) is None


def test_a_take_over_that_hangs(time: Time) -> None:
    assert time.passes(500, TAKING, NOTHING_WAITS) == 1 + LIMIT_S + 1


def test_attempts_that_fail_again_and_again_although_the_services_answer(time: Time) -> None:
    time.passes(1, REST)
    stalled_s = None
    for failures in range(1, 200):
        # each one takes the partition over, publishes something, and fails of the same chunk
        taking, working = TAKING._replace(failures=failures), AT_WORK._replace(failures=failures, signs=failures)
        stalled_s = time.passes(5, taking, RECORDS_WAIT) or time.passes(5, working, RECORDS_WAIT)
        if stalled_s is not None:
            break
    assert stalled_s is not None
    assert stalled_s <= 2 * LIMIT_S


@pytest.mark.parametrize("seen", [REST, AT_WORK, TAKING], ids=["at rest", "at work", "taking over"])
def test_services_that_are_away_are_no_stall(time: Time, seen: Seen) -> None:
    assert time.passes(10 * LIMIT_S, seen, None) is None
    assert time.watch.still_s(time.now_s) == 0
    back_s = time.now_s
    stalled_s = time.passes(10 * LIMIT_S, seen, RECORDS_WAIT)
    assert stalled_s is not None, "they are back, and it does not get on"
    assert stalled_s > back_s + LIMIT_S / 2


def test_the_pause_before_an_attempt_after_they_are_back_is_none(time: Time) -> None:
    pausing = TAKING._replace(failures=4, pausing=True)
    time.passes(500, pausing, None)
    assert time.passes(500, pausing, RECORDS_WAIT) is None
    assert time.passes(LIMIT_S - 1, TAKING._replace(failures=4), RECORDS_WAIT) is None
    pausing = pausing._replace(failures=5)
    assert time.passes(LIMIT_S, pausing, RECORDS_WAIT) is not None, "an attempt failed although they answer"


def test_time_in_which_the_process_did_not_run_is_none(time: Time) -> None:
    time.passes(30, AT_WORK, RECORDS_WAIT)
    time.now_s += 1_000
    assert time.passes(25, AT_WORK, RECORDS_WAIT) is None
    assert time.passes(25, AT_WORK, RECORDS_WAIT) is not None


def test_rest_does_not_count_as_waiting(time: Time) -> None:
    time.passes(500, REST, NOTHING_WAITS)
    assert time.passes(LIMIT_S - 1, AT_WORK._replace(signs=2), RECORDS_WAIT) is None


def test_a_log_that_ends_before_what_was_read(time: Time) -> None:
    time.passes(5, REST)
    time.passes(9, REST._replace(place=Place(7, 3)))
    with pytest.raises(StateError, match=r"partition: offset \{3: 7\}"):
        time.passes(3, REST._replace(place=Place(7, 3)))


def test_a_watermark_that_is_late_for_a_moment(time: Time) -> None:
    for _ in range(5):
        time.passes(5, REST)
        time.passes(9, REST._replace(place=Place(7, 3)))
