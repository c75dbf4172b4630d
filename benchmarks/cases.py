"""What is measured: a ruleset, and the plain Faust agent that does the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import plain_standard, w1_step

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Case:
    """One ruleset beside its plain agent.

    `step` is the agent's own function of (customer, event). `traits`: whether the load has `identify` events.
    `noticed_late` are segments in which an agent without timers may leave a customer that segue has taken out (or put
    in) meanwhile, because the answer depends on since when they are in it. `timers`: whether time alone changes
    anything, so that the two may differ in how often a segment was entered.
    """

    name: str
    rules: Path
    agent: Path
    step: Callable[[dict[str, Any] | None, dict[str, Any]], tuple[dict[str, Any], list[tuple[str, bool]]]]
    traits: bool
    timers: bool
    noticed_late: frozenset[str] = frozenset()


W1 = Case("w1", HERE / "w1.yaml", HERE / "plain_w1.py", w1_step.step, traits=False, timers=False)
STANDARD = Case(
    "standard",
    HERE / "standard.yaml",
    HERE / "plain_standard.py",
    plain_standard.step,
    traits=True,
    timers=True,
    noticed_late=frozenset({"busy_now", "still_abandoned"}),
)
CASES = {case.name: case for case in (W1, STANDARD)}
