"""The cycle collector searches rarely while a worker works, and as before afterwards."""

from __future__ import annotations

import gc

import pytest

from streams.collector import CONTAINERS, calm_collector


def test_it_searches_rarely_inside_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with calm_collector():
        assert gc.get_threshold()[0] == CONTAINERS > before[0]
    assert gc.get_threshold() == before


def test_it_is_as_before_after_an_error() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), calm_collector():
        raise KeyError
    assert gc.get_threshold() == before
