"""Propensity and expected spend on CDNOW: what online learning costs in quality against a nightly batch, measured.

CDNOW through segue's own engine, which learns in step; scikit-learn's models, retrained from scratch every night on all
labels released by then with the same features, beside it. `python -m benchmarks.models_labels`.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from rules.load import load_text
from state.engine import Engine
from state.models.learners import make_learner
from state.models.quality import measures
from streams.clocks import StreamClock
from streams.demo.cdnow import event_lines
from streams.replay.memory import MemoryReplay
from streams.replay.study import Study

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from rules.models.definition import AnyModel
    from state.models.sample import Sample
    from state.profile import Profile

    Numbers = NDArray[np.float64]

DAY_MS: Final = 86_400_000
CLIP: Final = 8.0
FEW: Final = 50
"""Labels below which nothing is trained."""
TIMED_SAMPLES: Final = 20_000
BOUGHT: Final = """
      orders_30d: {did: {event: Order Completed, within: 30d}, transform: log1p}
      orders_90d: {did: {event: Order Completed, within: 90d}, transform: log1p}
      orders: {did: {event: Order Completed}, transform: log1p}
      spent_90d: {total: {event: Order Completed, of: total, agg: sum, within: 90d}, transform: log1p}
      spent: {total: {event: Order Completed, of: total, agg: sum}, transform: log1p}
      an_order: {total: {event: Order Completed, of: total, agg: avg}, transform: log1p}
      known_for: {since_first: {event: Order Completed}, missing: 0, transform: log1p}
"""
MODELS: Final = f"""
models:
  - key: at_purchases
    kind: propensity
    target: {{event: Order Completed, within: 90d}}
    sample: {{on: Order Completed, every: 6d, silent_for: 0d}}
    rescore: 3650d
    features: {BOUGHT}
  - key: timed
    kind: propensity
    target: {{event: Order Completed, within: 90d}}
    sample: {{every: 28d}}
    rescore: 3650d
    features: {BOUGHT}
      quiet: {{since_last: {{event: Order Completed}}, missing: 365, transform: log1p}}
  - key: spend
    kind: value
    target: {{event: Order Completed, of: total, within: 90d}}
    sample: {{on: Order Completed, every: 6d, silent_for: 0d}}
    rescore: 3650d
    features:
      orders_30d: {{did: {{event: Order Completed, within: 30d}}, transform: log1p}}
      orders_90d: {{did: {{event: Order Completed, within: 90d}}, transform: log1p}}
      spent_30d: {{total: {{event: Order Completed, of: total, agg: sum, within: 30d}}}}
      spent_90d: {{total: {{event: Order Completed, of: total, agg: sum, within: 90d}}}}
      spent_90d_log: {{total: {{event: Order Completed, of: total, agg: sum, within: 90d}}, transform: log1p}}
      spent_365d: {{total: {{event: Order Completed, of: total, agg: sum, within: 365d}}}}
      an_order: {{total: {{event: Order Completed, of: total, agg: avg}}, transform: log1p}}
"""


class Judgement(NamedTuple):
    """One figure beside what is wanted of it."""

    what: str
    figure: float
    wanted: str
    right: bool


class Rows(NamedTuple):
    """All released samples of a model, in the order of their release; those before the first score have none (NaN)."""

    at: NDArray[np.int64]
    released: NDArray[np.int64]
    x: Numbers
    y: Numbers
    score: Numbers

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Return which have a score: what is judged."""
        return ~np.isnan(self.score)


def learned() -> tuple[dict[str, AnyModel], dict[str, list[Sample]]]:
    """Return the models, and by key all their samples, each with the score that was given when it was taken."""
    ruleset = load_text(MODELS)
    engine = Engine(ruleset)
    study = Study(engine, snapshot_every=500, path=None)
    samples: dict[str, list[Sample]] = {model.key: [] for model in ruleset.models}

    def take(profile: Profile) -> None:
        for sample in profile.released:
            samples[sample.model].append(sample)
        study.take(profile)

    replay = MemoryReplay(engine, StreamClock(lag_ms=0), learn=take)
    for line in event_lines():
        replay.feed(line)
    for _ in replay.finish():
        pass
    return {model.key: model for model in ruleset.models}, samples


def rows(samples: Sequence[Sample]) -> Rows:
    """Return samples as arrays."""
    return Rows(
        np.array([sample.at for sample in samples]),
        np.array([sample.released_at for sample in samples]),
        np.array([sample.x for sample in samples]),
        np.array([sample.y for sample in samples], dtype=np.float64),
        np.array([np.nan if sample.score is None else sample.score for sample in samples], dtype=np.float64),
    )


def nightly(of: Rows, kind: str) -> Numbers:
    """Return what a model retrained at each midnight (UTC), on all released by then, says of the scored samples."""
    said = np.full(len(of.y), np.nan)
    days = of.at // DAY_MS
    for day in np.unique(days[of.scored]):
        known = int(np.searchsorted(of.released, day * DAY_MS, side="right"))
        today = np.flatnonzero((days == day) & of.scored)
        if known < FEW:
            continue
        scaler = StandardScaler().fit(of.x[:known])
        x, labels = np.clip(scaler.transform(of.x[:known]), -CLIP, CLIP), of.y[:known]
        asked = np.clip(scaler.transform(of.x[today]), -CLIP, CLIP)
        if kind == "propensity":
            said[today] = LogisticRegression(max_iter=500).fit(x, labels).predict_proba(asked)[:, 1]
        else:
            said[today] = np.maximum(Ridge(alpha=1.0).fit(x, labels).predict(asked), 0.0)
    return said


def running_mean(of: Rows) -> Numbers:
    """Return, for each sample, the mean of all labels released before it was taken."""
    known = np.searchsorted(of.released, of.at, side="right")
    sums = np.concatenate([[0.0], np.cumsum(of.y)])
    return np.asarray(sums[known] / np.maximum(known, 1), dtype=np.float64)


def calibration_error(y: Numbers, score: Numbers) -> float:
    """Return the expected calibration error over ten bins of equal width."""
    tenths = np.minimum((score * 10).astype(int), 9)
    sums = (np.bincount(tenths, of, 10).astype(np.float64) for of in (np.ones(len(y)), score, y))
    return measures.calibration(*sums)[1] or 0.0


def propensity(name: str, model: AnyModel, of: Rows) -> Iterator[Judgement]:
    """Yield the figures of a propensity beside the nightly model's."""
    batch = nightly(of, "propensity")
    kept = of.scored & ~np.isnan(batch)
    y, score, other = of.y[kept], of.score[kept], batch[kept]
    auc, other_auc = measures.roc_auc(y, score) or 0.0, measures.roc_auc(y, other) or 0.0
    loss, other_loss = (float(measures.log_losses(y, said).mean()) for said in (score, other))
    error, other_error = calibration_error(y, score), calibration_error(y, other)
    yield Judgement(f"{name}: labels judged (base rate {y.mean():.3f})", len(y), "shown", right=True)
    yield Judgement(f"{name}: ROC AUC", auc, f">= 0.99 x nightly {other_auc:.4f}", auc >= 0.99 * other_auc)
    yield Judgement(f"{name}: log loss", loss, f"< nightly {other_loss:.4f}", loss < other_loss)
    yield Judgement(f"{name}: calibration error", error, f"<= 0.03 (nightly {other_error:.4f})", error <= 0.03)
    if "quiet" not in model.feature_names:
        return
    days = np.expm1(of.x[kept, model.feature_names.index("quiet")])
    for words, those in (("31-90 d", (days >= 31) & (days <= 90)), ("over 180 d", days > 180)):
        off, came = float(score[those].mean() - y[those].mean()), float(y[those].mean())
        wanted = f"within 0.05 of what came true, {came:.4f} of {those.sum():,}"
        yield Judgement(f"{name}: silent {words}: mean score", came + off, wanted, abs(off) <= 0.05)


def spend(name: str, of: Rows) -> Iterator[Judgement]:
    """Yield the figures of an expected spend beside nightly ridge and the running mean."""
    batch, mean = nightly(of, "value"), running_mean(of)
    kept = of.scored & ~np.isnan(batch)
    y, score, other, mean = of.y[kept], of.score[kept], batch[kept], mean[kept]

    def rmse(said: Numbers) -> float:
        return float(np.sqrt(np.mean((said - y) ** 2)))

    def mae(said: Numbers) -> float:
        return float(np.mean(np.abs(said - y)))

    ours, ridge, plain = rmse(score), rmse(other), rmse(mean)
    bias, ridge_bias = float(score.sum() / y.sum()), float(other.sum() / y.sum())
    rank, ridge_rank = measures.spearman(score, y) or 0.0, measures.spearman(other, y) or 0.0
    ones = np.ones(len(y))
    top, ridge_top = (measures.top_tenth_share(said, ones, y) or 0.0 for said in (score, other))
    yield Judgement(f"{name}: labels judged (mean {y.mean():.1f} dollars)", len(y), "shown", right=True)
    yield Judgement(f"{name}: RMSE", ours, f"<= 0.95 x nightly ridge {ridge:.1f}", ours <= 0.95 * ridge)
    yield Judgement(f"{name}: RMSE", ours, f"<= 0.85 x running mean {plain:.1f}", ours <= 0.85 * plain)
    yield Judgement(f"{name}: predicted / actual", bias, f"0.90 to 1.10 (ridge {ridge_bias:.2f})", 0.9 <= bias <= 1.1)
    yield Judgement(f"{name}: Spearman", rank, f">= nightly ridge {ridge_rank:.4f}", rank >= ridge_rank)
    wanted = f"shown (ridge {mae(other):.1f}, running mean {mae(mean):.1f}, always 0 {mae(0 * y):.1f})"
    yield Judgement(f"{name}: MAE", mae(score), wanted, right=True)
    yield Judgement(f"{name}: spend with the top tenth", top, f"shown (ridge {ridge_top:.3f})", right=True)


def cost(name: str, model: AnyModel, samples: Sequence[Sample]) -> Judgement:
    """Return µs of CPU that learning a sample takes, without measures and drift."""
    learner = make_learner(model)
    began = time.process_time()
    for sample in samples[:TIMED_SAMPLES]:
        learner.learn(sample)
    figure = (time.process_time() - began) / len(samples[:TIMED_SAMPLES]) * 1e6
    return Judgement(f"{name}: learning a sample, us", figure, "<= 100", figure <= 100)


def judgements() -> Iterator[Judgement]:
    """Yield every figure."""
    models, samples = learned()
    for key, model in models.items():
        of = rows(samples[key])
        name = {"at_purchases": "buys, at purchases", "timed": "buys, every 28 d", "spend": "spend, at purchases"}[key]
        yield from spend(name, of) if model.kind == "value" else propensity(name, model, of)
        yield cost(name, model, samples[key])


def main() -> int:
    """Print the figures; 1 if one is not as wanted."""
    return show(judgements())


def show(found: Iterator[Any]) -> int:
    """Print figures as they come; return 1 if one is not as wanted."""
    wrong = 0
    for judgement in found:
        wrong += not judgement.right
        mark = "  " if judgement.right else "✗ "
        print(f"{mark}{judgement.what:58} {judgement.figure:12.4f}  {judgement.wanted}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
