from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from state import memory
from state.memory import DueIndex

CUSTOMERS = st.sampled_from(["a", "b", "c", "d", "é", "🦊"])
MOVES = st.dictionaries(CUSTOMERS, st.none() | st.integers(-3, 12))


@given(st.lists(MOVES, max_size=20), st.integers(-4, 14), st.integers(0, 8))
def test_it_lists_what_a_plain_dict_sorted_would(
    steps: list[dict[str, int | None]], before_ms: int, limit: int
) -> None:
    index, plain = DueIndex(), dict[str, int]()
    for moves in steps:
        index.move(moves)
        for customer, due_ms in moves.items():
            plain.pop(customer, None)
            if due_ms is not None:
                plain[customer] = due_ms
        expected = sorted((at, customer) for customer, at in plain.items() if at < before_ms)[:limit]
        assert index.before(before_ms, limit) == [(customer, at) for at, customer in expected]


def test_it_does_not_grow_with_every_move() -> None:
    index = DueIndex()
    for instant in range(20 * memory.STALE_AT_LEAST):
        index.move({"c1": instant, "c2": instant + 1})
    assert len(index) <= memory.STALE_AT_LEAST + 8
    assert index.before(10**9, 10) == [("c1", instant), ("c2", instant + 1)]
