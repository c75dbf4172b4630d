"""The random cases: that they reach every kind of condition, that much happens in them, and that faults show."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given

from tests.oracle import customer, models, truth, values, wire
from tests.oracle.definitions import walk
from tests.oracle.say import event, record, when
from tests.strategies import Case, definitions, live_cases, minimize, property_settings, replay_cases, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.oracle import Record

CENSUS = 400
MANY = [sample(seed, live=bool(seed % 2), models=seed % 3 == 0) for seed in range(CENSUS)]


@pytest.fixture(scope="module")
def results() -> list[Any]:
    return [case.expected() for case in MANY]


def test_every_kind_of_condition_is_found_true_and_false(results: list[Any]) -> None:
    cases = Counter(key for result in results for key in result.truths)
    for kind in truth.KINDS:
        assert cases[kind, True] > CENSUS * 0.03, kind
        assert cases[kind, False] > CENSUS * 0.03, kind


def test_much_happens_in_most_cases(results: list[Any]) -> None:
    changes = [len(result.changes) for result in results]
    causes = [{change.cause["type"] for change in result.changes} for result in results]
    assert sum(one >= 1 for one in changes) > CENSUS * 0.8
    assert sum(one >= 3 for one in changes) > CENSUS * 0.55
    assert sum("timer" in one for one in causes) > CENSUS * 0.45
    assert sum(any(change.segmentation for change in result.changes) for result in results) > CENSUS * 0.3


def test_every_part_of_the_language_is_drawn() -> None:
    drawn = Counter(key for case in MANY for node in walk(case.definitions) for key in node)
    parts = "until min_stay otherwise where within wait after but at_least times"
    operators = "eq ne gt gte lt lte between in not_in contains not_contains starts_with ends_with matches exists"
    dates = "within_last older_than before after"
    for key in f"{parts} {operators} {dates}".split():
        assert drawn[key] > CENSUS * 0.02, key
    aggs = Counter(node["agg"] for case in MANY for node in walk(case.definitions) if "agg" in node)
    assert set(aggs) == {"sum", "avg", "min", "max", "distinct", "first", "last"}


def test_every_way_for_a_record_to_go_is_drawn(results: list[Any]) -> None:
    rejected = Counter(reason for result in results for reason in result.rejected)
    needed = set(wire.Reason) - {"traits_too_large"}
    assert needed <= set(rejected)
    assert sum(result.duplicates > 0 for result in results) > CENSUS * 0.1
    assert sum(result.after_until > 0 for result in results) > CENSUS * 0.02


def test_broker_s_clocks_differ_by_at_most_the_skew() -> None:
    steps_back = [_largest_step_back(case.records) - case.clock_skew_ms for case in MANY if case.live]
    assert max(steps_back) <= 0
    assert sum(one == 0 for one in steps_back) > CENSUS * 0.05
    assert any(record.partition for case in MANY for record in case.records)


def _largest_step_back(records: Sequence[Record]) -> int:
    newest = [max(one.broker_ms for one in records[: place + 1]) for place in range(len(records))]
    return max(most - one.broker_ms for most, one in zip(newest, records, strict=True))


def test_a_seed_is_the_same_case_everywhere() -> None:
    assert repr(sample(7, live=True)) == repr(sample(7, live=True))
    assert sample(7, live=True) != sample(8, live=True)


@given(definitions(models=True), replay_cases(), live_cases())
@property_settings(0.01)
def test_hypothesis_draws_the_same_things(tree: dict[str, Any], replay: Case, live: Case) -> None:
    assert tree.keys() <= {"segments", "segmentations", "models"}
    assert replay.expected().changes == replay.expected().changes
    assert live.live


# Faults show


def _half_open_the_other_way(ts: int, within: int | None, t: int) -> bool:
    return ts <= t and (within is None or t - within <= ts)


def _by_arrival(facts: Any, spec: Any, t: int) -> bool:
    times = [one.ts for one in truth.matching(facts, spec)]
    return bool(times) and truth._elapsed_meets(t - times[-1], spec)  # noqa: SLF001 - a fault put inside


def _first_element(tree: Any, steps: list[str], whole: Any = values.leaves) -> list[Any]:
    found: list[Any] = whole(tree, steps)
    return found[:1]


def _fires_at_the_event(self: Any, last_ms: int, scorers: Any, whole: Any = customer.Customer.fire) -> None:
    whole(self, last_ms + 1, scorers)


def _label_of_the_sampled_event_too(self: Any, sample: Any) -> float:
    hits = truth.matching(self.facts, self.model["target"])
    return float(any(sample.at <= one.ts <= sample.released_at for one in hits))


def _never_reached(_due: int | None, _at: int) -> bool:
    return False


def _nearest_only(facts: Any, spec: Any) -> Any:
    first, *rest = spec["steps"]
    ends = truth.matching(facts, first)[-1:]
    for step in rest:
        ends = [one for one in truth.matching(facts, step) if ends and truth._follows(step, ends[-1], one)][-1:]  # noqa: SLF001
    return ends


@pytest.mark.parametrize(
    ("where", "name", "fault"),
    [
        (truth, "_inside", _half_open_the_other_way),
        (truth.KINDS, "since_last", _by_arrival),
        (truth, "leaves", _first_element),
        (truth, "_ends", _nearest_only),
        (customer.Customer, "fire", _fires_at_the_event),
        (models.Modelled, "_label", _label_of_the_sampled_event_too),
        (models, "_reached", _never_reached),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)) if callable(one) or isinstance(one, str) else "",
)
def test_a_fault_is_found_within_the_census(
    monkeypatch: pytest.MonkeyPatch, results: list[Any], where: Any, name: str, fault: Callable[..., Any]
) -> None:
    if isinstance(where, dict):
        monkeypatch.setitem(where, name, fault)
    else:
        monkeypatch.setattr(where, name, fault)
    assert any(_told(case.expected()) != _told(result) for case, result in zip(MANY, results, strict=True))


def _told(result: Any) -> Any:
    return result.changes, result.released


# A failing case, made small and shown


def test_a_failing_case_is_made_small() -> None:
    def fails(case: Case) -> bool:
        return any(change.change == "exited" for change in case.expected().changes)

    case = next(case for case in MANY if not case.live and len(case.records) > 10 and fails(case))
    small = minimize(case, fails)
    assert fails(small)
    assert len(small.records) <= 3
    assert len(small.definitions.get("segments", [])) <= 1


def test_a_case_is_shown_as_commands_that_run(tmp_path: Path) -> None:
    case = Case(when("did: {event: buy, within: 5s}"), [record(event(10))], until_ms=1_772_323_259_000)
    script = repr(case)
    assert "--until 2026-03-01T00:00:59.000Z" in script
    assert "c1 2: exited s at 2026-03-01T00:00:15.000Z (1772323215000) by timer, now []" in script
    sh = shutil.which("sh")
    assert sh is not None
    subprocess.run([sh, "-c", script.replace("segue replay", ": ")], cwd=tmp_path, check=True)
    assert yaml.safe_load((tmp_path / "rules.yaml").read_text()) == case.definitions
    assert json.loads((tmp_path / "events.jsonl").read_text()) == event(10)
    assert "max_future_ms" in repr(replace(case, live=True))
