"""What a worker's `/metrics` says, and that dashboard, alarms and document ask for nothing else."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from state.store import Backlog
from streams.counters import Counters
from streams.http.metrics import Metrics
from streams.http.stream.metrics import StreamMetrics
from streams.http.webhooks.measures import WebhookMeasures
from streams.lag import Lag
from streams.metrics import COUNTERS, TIMINGS, WorkerCollector, registry_of
from streams.settings import Settings
from streams.timing import BOUNDS_S, Timing
from streams.transport import Place
from streams.watch import Watch
from streams.watchdog import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD: dict[str, Any] = json.loads((DOCS / "grafana" / "segue.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((DOCS / "grafana" / "alerts.yaml").read_text())
OPERATIONS = (DOCS / "operations.md").read_text()

NOW_MS = 1_000_000


class FakeWorker:
    """As much of a worker as is measured: it has two partitions, and works on one."""

    def __init__(self) -> None:
        self.counters = Counters()
        settings = Settings(grace=1_000, clock_skew=100)
        engine = SimpleNamespace(caps={"total_panes": 3})
        active = SimpleNamespace(number=2, engine=engine)
        self.parts = SimpleNamespace(
            settings=settings, definitions=SimpleNamespace(active=active), now_ms=lambda: NOW_MS
        )
        self.joined, self.unlearned = True, 4
        working, taking = self._hold(SimpleNamespace(applied=7)), self._hold(None)
        self.holds = {0: working, 1: taking}
        lag = Lag(NOW_MS)
        lag.look(7, Place(7, 10), NOW_MS - 5_000, NOW_MS)
        watched = {0: Watched(working, Watch("events", 0, 60, 0), lag)}
        self.watchdog = SimpleNamespace(watched=watched, now_s=lambda: 0.0)

    def _hold(self, tenure: object) -> Any:
        return SimpleNamespace(tenure=tenure)


@pytest.fixture
def worker() -> Any:
    return FakeWorker()


@pytest.fixture
def collector(worker: Any) -> WorkerCollector:
    return WorkerCollector(worker)


def samples(collector: WorkerCollector) -> dict[tuple[str, ...], float]:
    """Return (name, values of its labels…) -> value, as they come out of the text."""
    text = generate_latest(registry_of(collector)).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_counter_is_shown(worker: FakeWorker, collector: WorkerCollector) -> None:
    counters = worker.counters
    for number, attribute in enumerate(COUNTERS, 1):
        setattr(counters, attribute, number)
    counters.rejected.update({"not_json": 2})
    counters.changes.update({("vip", "entered"): 2, ("new", "entered"): 1, ("vip", "exited"): 4})
    found = samples(collector)
    for number, (name, _) in enumerate(COUNTERS.values(), 1):
        assert found[f"{name}_total",] == number
    assert found["segue_events_rejected_total", "not_json"] == 2
    assert found["segue_events_rejected_total", "internal"] == 0, "else its first one would be no increase"
    assert (found["segue_changes_total", "entered"], found["segue_changes_total", "exited"]) == (3, 4)
    assert "vip" not in str(found)


def test_no_counter_is_forgotten() -> None:
    elsewhere = {"events", "commits", "newest_event_ms", "rejected", "changes"}
    assert set(Counters.__slots__) == COUNTERS.keys() | TIMINGS.keys() | elsewhere


def test_partitions_in_hand_are_shown_as_they_stand(collector: WorkerCollector) -> None:
    collector.told = {}, {0: Backlog(due=3, due_since_ms=NOW_MS - 1_100 - 2_500, outbox=5)}
    found = samples(collector)
    assert (found["segue_partition_held", "0"], found["segue_partition_held", "1"]) == (1, 0)
    assert (found["segue_applied_offset", "0"], found["segue_lag_events", "0"]) == (7, 3)
    assert found["segue_lag_seconds", "0"] == 5
    assert (found["segue_due_timers", "0"], found["segue_due_lateness_seconds", "0"]) == (3, 2.5)
    assert found["segue_outbox_entries", "0"] == 5
    assert found["segue_capped_features_total", "total_panes"] == 3
    assert ("segue_lag_events", "1") not in found, "nothing is known of it yet"


def test_services_that_are_away(collector: WorkerCollector) -> None:
    assert samples(collector)["segue_service_up", "broker"] == 1
    collector.told = {"broker": "no answer"}, {}
    found = samples(collector)
    assert (found["segue_service_up", "broker"], found["segue_service_up", "redis"]) == (0, 1)
    assert not [name for name in found if name[0] == "segue_due_timers"], "what is not known is not shown"


def test_a_histogram_counts_up_to_each_bound(worker: FakeWorker, collector: WorkerCollector) -> None:
    timing = worker.counters.commit_s
    for seconds in (0.0005, 0.001, 0.02, 400.0):
        timing.observe(seconds)
    found = samples(collector)
    assert found["segue_commit_seconds_bucket", "0.001"] == 2
    assert found["segue_commit_seconds_bucket", "0.01"] == 2
    assert found["segue_commit_seconds_bucket", "0.025"] == 3
    assert found["segue_commit_seconds_bucket", "30.0"] == 3
    assert found["segue_commit_seconds_bucket", "+Inf"] == found["segue_commit_seconds_count",] == 4
    assert found["segue_commit_seconds_sum",] == pytest.approx(400.0215)


def test_only_what_gets_done_is_timed() -> None:
    timing = Timing()
    with timing.measured():
        pass
    with contextlib.suppress(ValueError), timing.measured():
        raise ValueError
    assert sum(timing.counts) == 1
    assert len(timing.counts) == len(BOUNDS_S) + 1


def names_of_all() -> set[str]:
    """Return the name of every series that a worker or a server of HTTP may show."""
    worker: Any = FakeWorker()
    server = Metrics()
    StreamMetrics(server.registry)
    WebhookMeasures(server.registry).show(lambda: {"ep_1": (0, 0)})
    texts = (generate_latest(registry_of(WorkerCollector(worker))), generate_latest(server.registry))
    found = set()
    for text in texts:
        for family in text_string_to_metric_families(text.decode()):
            suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
            name = family.name.removesuffix("_total") if family.type == "counter" else family.name
            found |= {name + suffix for suffix in suffixes}
    return found


def asked(expression: str) -> set[str]:
    """Return the series that a PromQL expression names."""
    return set(re.findall(r"\b(?:segue|process)_\w+", re.sub(r'"[^"]*"', "", expression)))


def expressions() -> Iterator[tuple[str, str]]:
    """Yield everything that the dashboard and the alarms ask, with where."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def test_dashboard_and_alarms_ask_for_what_there_is() -> None:
    there = names_of_all()
    found = list(expressions())
    assert len(found) > 60
    assert {place: missing for place, text in found if (missing := asked(text) - there)} == {}
    assert all(asked(text) for _, text in found)


def test_the_dashboard_shows_whatever_an_alarm_is_about() -> None:
    shown = {name for panel in DASHBOARD["panels"] for one in panel.get("targets", ()) for name in asked(one["expr"])}
    alarmed = {name for group in ALERTS["groups"] for rule in group["rules"] for name in asked(rule["expr"])}
    assert alarmed <= shown


def test_panels_have_places_and_numbers_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_the_document_explains_each_measure_of_a_worker_and_each_alarm() -> None:
    worker: Any = FakeWorker()
    families = text_string_to_metric_families(generate_latest(registry_of(WorkerCollector(worker))).decode())
    for family in families:
        if family.name.startswith("segue_"):
            name = f"{family.name.removesuffix('_total')}_total" if family.type == "counter" else family.name
            assert f"`{name}`" in OPERATIONS, name
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert f"`{rule['alert']}`" in OPERATIONS, rule["alert"]


def test_the_document_names_no_measure_that_there_is_not() -> None:
    there = names_of_all() | {name.removesuffix("_bucket") for name in names_of_all()}
    assert asked(OPERATIONS) <= there
