"""The throughput benchmark's arithmetic: what several workers' marks come to, and one customer's share of a load."""

from __future__ import annotations

import pytest

from benchmarks.load import HOT, make_load
from benchmarks.marks import Mark
from benchmarks.subjects import Seen, figures_of


def test_two_workers_are_timed_from_the_first_begin_to_the_last_end_without_what_each_began_with() -> None:
    one = {
        "begin": Seen(Mark("begin", 100, 10.0, 1.0), broker_s=5.0, store_s=2.0),
        "end": Seen(Mark("end", 1_100, 14.0, 3.0), broker_s=7.0, store_s=2.5),
    }
    other = {
        "begin": Seen(Mark("begin", 50, 11.0, 1.0), broker_s=5.5, store_s=2.1),
        "end": Seen(Mark("end", 1_050, 15.0, 2.0), broker_s=9.0, store_s=3.0),
    }
    for runs in ([one, other], [other, one]):
        figures = figures_of(runs)
        assert figures.events_per_s == pytest.approx(2_000 / 5)
        assert figures.worker_us == pytest.approx(3.0 / 2_000 * 1e6)
        assert figures.broker_us == pytest.approx(4.0 / 2_000 * 1e6)
        assert figures.store_us == pytest.approx(1.0 / 2_000 * 1e6)


def test_a_hot_customer_has_its_share_of_the_events() -> None:
    load = make_load(2_000, hot=0.3)
    assert 0.25 < sum(event.key == HOT.encode() for event in load) / len(load) < 0.35
    assert sum(event.key == HOT.encode() for event in make_load(2_000)) < 20
