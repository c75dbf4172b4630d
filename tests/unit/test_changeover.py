"""Which customers of a partition are looked at next after a change of the definitions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from streams.changeover import Changeover


def changeover(slices: list[list[str]]) -> Changeover:
    async def customers(_partition: int, cursor: int, _limit: int) -> tuple[int, list[str]]:
        return (cursor + 1) % len(slices), slices[cursor]

    parts: Any = SimpleNamespace(
        store=SimpleNamespace(customers=customers), settings=SimpleNamespace(changeover_rate=10_000)
    )
    return Changeover(parts, 0, pending=True)


async def test_all_slices_come_once() -> None:
    passing = changeover([["a", "a"], [], ["b"]])
    found = []
    while passing.pending:
        found.append(await passing.customers())
    assert found == [["a"], [], ["b"]]


async def test_who_is_left_is_next_and_the_pass_goes_on_until_nobody_is() -> None:
    passing = changeover([["a", "b", "c"], ["d"]])
    assert await passing.customers() == ["a", "b", "c"]
    passing.leave(["b", "c"])
    assert passing.turn()
    assert await passing.customers() == ["b", "c"]
    passing.leave([])
    assert await passing.customers() == ["d"]
    assert not passing.pending
    passing.leave(["d"])
    assert passing.pending
    assert await passing.customers() == ["d"]
    assert not passing.pending
