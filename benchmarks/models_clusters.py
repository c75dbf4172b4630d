"""Clusters and anomalies: whether customers stay, whether centres are as good as a batch's, what outliers are found.

CDNOW through segue's own engine, learner and snapshots; scikit-learn beside it. `python -m benchmarks.models_clusters`.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from river.anomaly import HalfSpaceTrees
from river.preprocessing import StandardScaler
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from rules.load import load_text
from rules.models.definition import Clusters
from state.engine import Engine
from state.event import Event
from state.models.learners.clusters import ClustersLearner
from state.models.sample import Sample
from state.models.scorers import make_scorer
from state.models.snapshot import decode, encode
from state.models.trainer import Trainer
from streams.demo.cdnow import event_of, purchases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from rules.models.definition import AnyModel
    from state.models.scorer import Said, Scorer

WEEK_MS: Final = 604_800_000
FEATURES: Final = """
      orders: {did: {event: Order Completed, within: DAYS}, transform: log1p}
      spent:  {total: {event: Order Completed, of: total, agg: sum, within: DAYS}, transform: log1p}
      discs:  {total: {event: Order Completed, of: quantity, agg: sum, within: DAYS}, transform: log1p}
"""
MODEL: Final = """
  - key: KEY
    kind: KIND
    sample: {every: EVERY}
    rescore: 3650d
    features:"""


class Case(NamedTuple):
    """Clusters by features that look back `days`; `options` are further lines of the definition."""

    name: str
    days: int
    options: tuple[str, ...]
    judged: bool


CASES: Final = (
    Case("windows of 30 d", 30, (), judged=True),
    Case("windows of 90 d, warm-up 120 d", 90, ("warm_up: 100000", "warm_up_for: 120d"), judged=True),
    # Its first centres are made after 52 days, from people none of whom has been silent for 90: what then happens?
    Case("windows of 90 d, warm-up as it is", 90, (), judged=False),
)
REFIT_WINDOW: Final = 20_000
OUTLIERS: Final = 0.01


class Samples(NamedTuple):
    """All samples of a model in time order: instants (ms), customers by number, and vectors (samples, features)."""

    at: NDArray[np.int64]
    customer: NDArray[np.int64]
    x: NDArray[np.float64]


class Judgement(NamedTuple):
    """One wanted figure."""

    what: str
    figure: float
    wanted: str
    right: bool

    def of(self, case: Case) -> Judgement:
        """Return it as that of a case; what is only shown is right."""
        if case.judged:
            return self._replace(what=f"{case.name}: {self.what}")
        return self._replace(what=f"{case.name}: {self.what}", wanted="shown", right=True)


def model_text(key: str, days: int, *, every: str = "28d", kind: str = "clusters", options: Sequence[str] = ()) -> str:
    """Return a definition; a model `weekly` is there to look at the customers of another each week."""
    lines = ["k: 5", *options] if kind == "clusters" else options
    text = MODEL.replace("KEY", key).replace("KIND", kind).replace("EVERY", every)
    return text + FEATURES.replace("DAYS", f"{days}d") + "".join(f"    {line}\n" for line in lines)


def sampled() -> tuple[AnyModel, dict[str, Samples]]:
    """Return the anomaly model, and by key what the engine samples of CDNOW: `every` and `weekly` of each window."""
    ruleset = load_text(
        "models:"
        + "".join(
            model_text(f"every_{days}", days) + model_text(f"weekly_{days}", days, every="7d")
            for days in sorted({case.days for case in CASES})
        )
        + model_text("odd", 30, kind="anomaly")
    )
    engine = Engine(ruleset)
    by_customer = defaultdict(list)
    for purchase in purchases():
        by_customer[purchase.customer].append(purchase)
    end_ms = max(purchase.at_ms for history in by_customer.values() for purchase in history)
    columns: dict[str, tuple[array[int], array[int], array[float]]] = {
        model.key: (array("q"), array("q"), array("d")) for model in ruleset.models
    }
    for number, (customer, history) in enumerate(by_customer.items()):
        profile = engine.new(customer)
        for purchase in history:
            body = event_of(purchase)
            engine.apply(profile, event(body, customer, purchase.at_ms))
        engine.advance(profile, end_ms)
        for sample in profile.released:
            at, who, x = columns[sample.model]
            at.append(sample.at)
            who.append(number)
            x.extend(sample.x)
    return ruleset.models[-1], {key: _in_order(*columns[key]) for key in columns}


def event(body: dict[str, Any], customer: str, at_ms: int) -> Event:
    """Return a purchase as the engine takes it."""
    return Event(
        customer=customer,
        ts=at_ms,
        floor=at_ms,
        type="track",
        name=str(body["event"]),
        message_id=str(body["messageId"]),
        body=body,
    )


def _in_order(at: array[int], who: array[int], x: array[float]) -> Samples:
    instants = np.array(at, dtype=np.int64)
    order = np.argsort(instants, kind="stable")
    vectors = np.array(x, dtype=np.float64).reshape(len(instants), -1)
    return Samples(instants[order], np.array(who, dtype=np.int64)[order], vectors[order])


class Run:
    """Learns a model's samples in order, scoring with the newest snapshot as a worker does."""

    def __init__(self, definition: AnyModel, samples: Samples) -> None:
        """Begin with nothing learned."""
        self.definition = definition
        self.samples = samples
        self.trainer = Trainer(definition)
        self.scorer: Scorer | None = None
        self.learned = 0
        self.begun: int | None = None
        """The sample with which the warm-up ended."""
        self.cpu_s = 0.0
        self._said: dict[int, Said] = {}

    def until(self, at_ms: int) -> None:
        """Learn all samples before an instant."""
        last = int(np.searchsorted(self.samples.at, at_ms))
        began_s = time.process_time()
        for number in range(self.learned, last):
            self.trainer.learn(self._sample(number), source=(0, number, 0), offset=number)
            if self.trainer.due:
                self.publish()
        self.learned = max(self.learned, last)
        self.cpu_s += time.process_time() - began_s

    def publish(self) -> bytes:
        """Make a snapshot, and score with it from here on."""
        record = encode(self.trainer.snapshot(0))
        self.scorer = make_scorer(self.definition, decode(record))
        if self.scorer is not None and self.begun is None:
            self.begun = self.trainer.samples
        return record

    def _sample(self, number: int) -> Sample:
        who = int(self.samples.customer[number])
        x = tuple(self.samples.x[number].tolist())
        said = version = None
        if self.scorer is not None:
            said = self._said[who] = self.scorer.score(x, self._said.get(who))
            version = self.scorer.version
        at = int(self.samples.at[number])
        key, definition = self.definition.key, self.definition.definition
        return Sample(key, definition, str(who), at, at, "timer", x, None, said, version)


class Watch:
    """Looks at every customer once a week, with the newest snapshot, and counts who moved without having changed."""

    def __init__(self, samples: Samples) -> None:
        """Begin with nobody seen."""
        self._samples = samples
        self._next = 0
        self._seen: dict[int, tuple[tuple[float, ...], Said]] = {}
        self.shares: list[float] = []
        """Of each week, the share of those with the same features as a week before whose cluster is another."""

    def week(self, until_ms: int, scorer: Scorer) -> None:
        """Score who falls due before an instant."""
        last = int(np.searchsorted(self._samples.at, until_ms))
        same = moved = 0
        for number in range(self._next, last):
            who, x = int(self._samples.customer[number]), tuple(self._samples.x[number].tolist())
            before = self._seen.get(who)
            said = scorer.score(x, None if before is None else before[1])
            if before is not None and before[0] == x:
                same += 1
                moved += said != before[1]
            self._seen[who] = (x, said)
        self._next = last
        if same:
            self.shares.append(moved / same)

    def skip(self, until_ms: int) -> None:
        """Pass over what falls due while there is no score."""
        self._next = int(np.searchsorted(self._samples.at, until_ms))


def clusters(case: Case, samples: Mapping[str, Samples]) -> list[Judgement]:
    """Return what is wanted of clusters on CDNOW."""
    definition = load_text("models:" + model_text("personas", case.days, options=case.options)).models[0]
    run, watch = Run(definition, samples[f"every_{case.days}"]), Watch(samples[f"weekly_{case.days}"])
    begins, ends = int(run.samples.at[0]), int(run.samples.at[-1])
    restarted = None
    for week_ms in range(begins + WEEK_MS, ends + WEEK_MS, WEEK_MS):
        run.until(week_ms)
        if run.scorer is None:
            watch.skip(week_ms)
        else:
            watch.week(week_ms, run.scorer)
        if restarted is None and run.learned > len(run.samples.at) // 2:
            restarted = Run(definition, run.samples)
            restarted.trainer = Trainer.restore(definition, decode(run.publish()))
            restarted.learned, restarted._said = run.learned, dict(run._said)  # noqa: SLF001 - a worker's profiles
            restarted.scorer, restarted.begun = run.scorer, run.begun
    last = decode(run.publish())
    frozen = last.scorer
    if frozen is None or restarted is None or run.begun is None:
        message = "the clusters never warmed up"
        raise AssertionError(message)
    restarted.until(ends + 1)
    same_after_restart = decode(restarted.publish()).scorer == frozen
    kept, agreeing = refitted(definition, run, last.learner["state"], frozen)
    ratio, online, batch = distortions(run, frozen)
    warmed_days = (int(run.samples.at[run.begun - 1]) - begins) / WEEK_MS * 7
    print(f"\nclusters, {case.name}: {len(run.samples.at):,} samples, {run.begun:,} ({warmed_days:.0f} d) at warm-up")
    print(f"{run.cpu_s / len(run.samples.at) * 1e6:.0f} µs a sample with scoring, measures, drift and snapshots")
    print(f"distortion {online:.4f}, scikit-learn's best of ten {batch:.4f}")
    for cluster in frozen["clusters"]:
        print(f"  {cluster['id']} {cluster['share']:6.1%}  {cluster['description']}  ({', '.join(cluster['typical'])})")
    weeks = watch.shares
    mean_week = float(np.mean(weeks))
    worst = sorted(weeks)[-5:]
    print("  moved without having changed, the five worst weeks: " + ", ".join(f"{share:.2%}" for share in worst))
    for problem in last.metrics["problems"]:
        print(f"  says: {problem}")
    found = [
        Judgement("moved without having changed, mean week", mean_week, "≤ 0.01", mean_week <= 0.01),
        Judgement(f"… worst of {len(weeks)} weeks", max(weeks), "≤ 0.03", max(weeks) <= 0.03),
        Judgement("distortion against batch k-means", ratio, "≤ 1.1", ratio <= 1.1),
        Judgement("the same after a restart midway", float(same_after_restart), "1", same_after_restart),
        Judgement("ids kept by a refit on the same samples", kept, "1", kept == 1),
        Judgement("… samples in the same cluster", agreeing, "shown", right=True),
    ]
    return [one.of(case) for one in found]


def distortions(run: Run, frozen: dict[str, Any]) -> tuple[float, float, float]:
    """Return final / batch, and both mean squared distances, over the samples after warm-up in the frozen scale."""
    mean, sd = np.array(frozen["scale"]["mean"]), np.array(frozen["scale"]["sd"])
    rows = np.clip((run.samples.x[run.begun :] - mean) / sd, -8, 8)
    batch = KMeans(len(frozen["clusters"]), n_init=10, random_state=0).fit(rows)
    online = nearest(rows, np.array([cluster["centre"] for cluster in frozen["clusters"]]))[1]
    return online * len(rows) / batch.inertia_, online, batch.inertia_ / len(rows)


def nearest(rows: NDArray[np.float64], centres: NDArray[np.float64]) -> tuple[NDArray[np.int64], float]:
    """Return each row's centre, and the mean squared distance."""
    squares = np.stack([((rows - centre) ** 2).sum(axis=1) for centre in centres])
    return squares.argmin(axis=0), float(squares.min(axis=0).mean())


def refitted(definition: AnyModel, run: Run, state: dict[str, Any], frozen: dict[str, Any]) -> tuple[float, float]:
    """Refit on the newest samples; return the share of ids kept, and of those samples that stay in their cluster."""
    if not isinstance(definition, Clusters):
        raise TypeError(definition)
    old, new = ClustersLearner(definition), ClustersLearner(definition)
    old.restore(state)
    new.adopt(old)
    first = len(run.samples.at) - REFIT_WINDOW
    for number in range(first, len(run.samples.at)):
        new.learn(run._sample(number))  # noqa: SLF001 - of this module
    new.settle()
    again = new.scorer()
    if again is None:
        return 0.0, 0.0
    ids = {cluster["id"] for cluster in frozen["clusters"]}
    said = [placed(run.samples.x[first:], scorer) for scorer in (frozen, again)]
    return len(ids & set(new.ids)) / len(ids), float(np.mean([a == b for a, b in zip(*said, strict=True)]))


def placed(x: NDArray[np.float64], frozen: dict[str, Any]) -> list[str]:
    """Return the id of the nearest centre of each vector."""
    rows = np.clip((x - np.array(frozen["scale"]["mean"])) / np.array(frozen["scale"]["sd"]), -8, 8)
    places, _ = nearest(rows, np.array([cluster["centre"] for cluster in frozen["clusters"]]))
    return [frozen["clusters"][place]["id"] for place in places.tolist()]


def planted(x: NDArray[np.float64], seed: int, *, features: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return vectors of which 1 % have the first `features` numbers 3 to 7 sd from the mean, either way; and which."""
    rng = np.random.default_rng(seed)
    odd = rng.random(len(x)) < OUTLIERS
    away = rng.choice([-1, 1], x.shape) * rng.uniform(3, 7, x.shape)
    told = odd[:, None] & (np.arange(x.shape[1]) < features)
    return np.where(told, x.mean(axis=0) + away * x.std(axis=0), x), odd


def anomalies(samples: Samples, definition: AnyModel) -> list[Judgement]:
    """Return the AUC on 1 % planted outliers, of CDNOW's vectors and of drawn ones, beside peers."""
    rng = np.random.default_rng(0)
    width = samples.x.shape[1]
    drawn = rng.normal(size=(20_000, width)) @ rng.normal(size=(width, width)) + rng.normal(size=width) * 10
    judgements = []
    cases = (("CDNOW", samples.x[:40_000], width), ("drawn", drawn, width), ("drawn, odd in one feature", drawn, 1))
    for name, vectors, features in cases:
        x, odd = planted(vectors, 1, features=features)
        at = np.arange(len(x), dtype=np.int64) * 1000
        run = Run(definition, Samples(at, np.arange(len(x)), x))
        said = prequential(run)
        plain = river_default(x)
        forest = IsolationForest(random_state=0).fit(x)
        known = ~np.isnan(said)
        aucs = [float(roc_auc_score(odd[known], score[known])) for score in (said, plain, -forest.score_samples(x))]
        print(f"\nanomalies, {name}: {len(x):,} samples, {int(odd.sum())} planted, AUC of samples as they came")
        print(f"  segue {aucs[0]:.3f}   River, z-scores and default limits {aucs[1]:.3f}", end="   ")
        print(f"isolation forest over everything at once {aucs[2]:.3f}")
        print(f"  {run.cpu_s / len(x) * 1e6:.0f} µs a sample; snapshot {len(run.publish()):,} bytes")
        caught = float(np.mean(said[odd & known] >= 0.99))
        others = float(np.mean(said[~odd & known] >= 0.99))
        print(f"  of the planted, {caught:.1%} score 0.99 or more; of the others {others:.2%}")
        wanted, right = ("≥ 0.95", aucs[0] >= 0.95) if features == width else ("shown", True)
        judgements.append(Judgement(f"anomaly AUC, 1 % planted, {name}", aucs[0], wanted, right))
    return judgements


def prequential(run: Run) -> NDArray[np.float64]:
    """Return each sample's score from the newest snapshot before it was learned; NaN where there was none."""
    said = np.full(len(run.samples.at), np.nan)
    for number, at in enumerate(run.samples.at.tolist()):
        run.until(at)
        if run.scorer is not None:
            said[number] = run.scorer.score(tuple(run.samples.x[number].tolist()), None)
    return said


def river_default(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores of River's `StandardScaler | HalfSpaceTrees` with the limits it has by default, 0 to 1."""
    scaler, trees = StandardScaler(), HalfSpaceTrees(seed=0)
    said = np.zeros(len(x))
    for number, row in enumerate(x.tolist()):
        named = dict(enumerate(row))
        scaler.learn_one(named)
        z = scaler.transform_one(named)
        said[number] = trees.score_one(z)
        trees.learn_one(z)
    return said


def main() -> int:
    """Print the figures; 1 if one is not as wanted."""
    odd, samples = sampled()
    judgements = [judgement for case in CASES for judgement in clusters(case, samples)] + anomalies(samples["odd"], odd)
    print()
    for judgement in judgements:
        print(f"{'  ' if judgement.right else '✗ '}{judgement.what:85} {judgement.figure:8.4f}  {judgement.wanted}")
    return 0 if all(judgement.right for judgement in judgements) else 1


if __name__ == "__main__":
    sys.exit(main())
