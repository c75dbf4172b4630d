"""The three packages know only what they may: rules nothing of the others, state only rules, streams both."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = {"aiohttp", "aiokafka", "faust", "mode", "redis"}
IO = {"asyncio", "http", "selectors", "socket", "ssl", "subprocess", "threading", "urllib"}

# Both packages are told the time and never ask for it: a replay of last year's log must say what was said last year.
CLOCKS = {"date.today", "datetime.now", "datetime.today", "datetime.utcnow", "time.monotonic", "time.perf_counter"} | {
    "time.time",
    "time.time_ns",
}

FORBIDDEN = {
    "rules": {"state", "streams", "river", "time"} | CLIENTS | IO,
    "state": {"streams", "faust", "mode", "aiohttp", "aiokafka"},
}
EVERYWHERE = {"tests", "benchmarks", "scripts"}

# What decides, or says what is kept: the same for a replay in memory, a worker and a test.
PURE = {"change.py", "codec.py", "engine.py", "event.py", "memory.py", "profile.py", "store.py", "view.py"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(module: Path) -> set[str]:
    """Return the top-level names that a module imports, wherever in it and under TYPE_CHECKING too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            names.add(module.relative_to(ROOT).parts[0])
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def clocks_read(module: Path) -> set[str]:
    calls = (node.func for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call))
    dotted = {ast.unparse(call) for call in calls if isinstance(call, ast.Attribute)}
    return {clock for clock in CLOCKS if any(call == clock or call.endswith(f".{clock}") for call in dotted)}


@pytest.mark.parametrize("package", ["rules", "state", "streams"])
def test_packages_are_there_and_import_what_they_may(package: str) -> None:
    files = modules(package)
    assert files
    forbidden = FORBIDDEN.get(package, set()) | EVERYWHERE
    wrong = {str(file.relative_to(ROOT)): sorted(imported(file) & forbidden) for file in files}
    assert {file: names for file, names in wrong.items() if names} == {}


def test_what_decides_talks_to_no_server() -> None:
    files = [file for file in modules("state") if file.name in PURE or file.parent.name == "features"]
    assert {file.name for file in files} >= PURE
    wrong = {str(file.relative_to(ROOT)): sorted(imported(file) & (CLIENTS | IO - {"asyncio"})) for file in files}
    assert {file: names for file, names in wrong.items() if names} == {}


@pytest.mark.parametrize("package", ["rules", "state"])
def test_nothing_below_streams_asks_what_time_it_is(package: str) -> None:
    wrong = {str(file.relative_to(ROOT)): sorted(clocks_read(file)) for file in modules(package)}
    assert {file: clocks for file, clocks in wrong.items() if clocks} == {}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import redis.asyncio as r", {"redis"}),
        ("from faust.types import X", {"faust"}),
        ("def f():\n    import state.event", {"state"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import streams", {"typing", "streams"}),
    ],
)
def test_an_import_is_found_wherever_it_stands(code: str, names: set[str], tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(code)
    assert imported(module) == names


@pytest.mark.parametrize(
    ("code", "clocks"),
    [
        ("import time\ntime.time()", {"time.time"}),
        ("import datetime\ndatetime.datetime.now(tz)", {"datetime.now"}),
        ("from datetime import datetime\ndatetime.fromtimestamp(0)", set()),
    ],
)
def test_a_clock_is_found_when_read(code: str, clocks: set[str], tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(code)
    assert clocks_read(module) == clocks
