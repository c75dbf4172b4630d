"""How many records one commit takes."""

from __future__ import annotations

from streams.pace import Pace


def test_all_at_first() -> None:
    assert Pace().share(2_000, 1) == 2_000


def test_equal_parts_of_what_fits() -> None:
    pace = Pace()
    pace.note(100, 100_000)
    assert pace.share(2_000, 1_000_000) == 1_000
    assert pace.share(2_001, 1_000_000) == 667
    assert pace.share(999, 1_000_000) == 999


def test_one_at_least_however_heavy() -> None:
    pace = Pace()
    pace.note(1, 10**9)
    assert (pace.share(50, 1_000), pace.share(50, 0), pace.share(1, 1)) == (1, 1, 1)


def test_less_at_once_more_by_and_by() -> None:
    pace = Pace()
    pace.note(10, 10_000)
    pace.note(10, 0)
    assert pace.share(1_000, 100_000) == 200
    pace.note(10, 0)
    assert pace.share(1_000, 100_000) == 334
    pace.note(10, 20_000)
    assert pace.share(1_000, 100_000) == 50
