"""Drift: how soon a change is reported, and how often one that is none. `python -m benchmarks.models_drift`.

Labels are drawn from a logistic model of eight normal features (log-odds with a standard deviation of 2; a base rate
drawn for each run) and learned by segue's trainer; the newest snapshot, of every 500 samples, gives the scores.
"""

from __future__ import annotations

import math
import os
import random
import sys
from multiprocessing import Pool
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.models_labels import Judgement, show
from rules.load import load_text
from state.models.linear import sigmoid
from state.models.sample import Sample
from state.models.scorers import make_scorer
from state.models.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from state.models.scorer import Scorer

FEATURES: Final = 8
SPREAD: Final = 2.0
BEFORE: Final = 10_000
AFTER: Final = 2_000
STEADY: Final = 20_000
RUNS: Final = 20
STEADY_RUNS: Final = 100
CHANGES: Final = {"signal lost": 300, "signal reversed": 300, "intercept +1.5": 2_000, "intercept -1.5": 2_000}
"""What changes, and within how many samples it is to be reported."""
MODEL: Final = """
models:
  - key: drawn
    kind: propensity
    target: {event: E, within: 1d}
    sample: {every: 1d}
    features:
""" + "".join(f"      f{number}: {{trait: t{number}}}\n" for number in range(FEATURES))


def drawn(seed: int, change: str | None) -> Iterator[tuple[tuple[float, ...], float]]:
    """Yield features and labels; after `BEFORE` of them something changes, or nothing does in `STEADY`."""
    rng = random.Random(f"{seed} {change}")
    weights = [rng.gauss(0, 1) for _ in range(FEATURES)]
    size = SPREAD / math.hypot(*weights)
    weights = [weight * size for weight in weights]
    intercept = rng.uniform(-2, 0 if change == "intercept +1.5" else 1)
    for number in range(BEFORE + AFTER if change else STEADY):
        if number == BEFORE:
            match change:
                case "signal lost":
                    weights = [0.0] * FEATURES
                case "signal reversed":
                    weights = [-weight for weight in weights]
                case "intercept +1.5":
                    intercept += 1.5
                case "intercept -1.5":
                    intercept -= 1.5
                case _:
                    pass
        x = tuple(rng.gauss(0, 1) for _ in range(FEATURES))
        odds = intercept + sum(weight * value for weight, value in zip(weights, x, strict=True))
        yield x, float(rng.random() < sigmoid(odds))


def alarms(seed: int, change: str | None) -> list[int]:
    """Return after how many samples each drift of a run was reported."""
    model = load_text(MODEL).models[0]
    trainer = Trainer(model)
    scorer: Scorer | None = None
    found = []
    for number, (x, y) in enumerate(drawn(seed, change)):
        score = None if scorer is None else scorer.score(x, None)
        sample = Sample(model.key, model.definition, str(number), number, number, "timer", x, y, score)
        if trainer.learn(sample, source=(0, number, 0), offset=number):
            found.append(number + 1)
        if trainer.due:
            scorer = make_scorer(model, trainer.snapshot(number))
    return found


def judgements() -> Iterator[Judgement]:
    """Yield every figure."""
    with Pool(os.cpu_count()) as pool:
        for change, most in CHANGES.items():
            runs = pool.starmap(alarms, [(seed, change) for seed in range(RUNS)])
            delays = [min((at - BEFORE for at in run if at > BEFORE), default=10**6) for run in runs]
            early = sum(any(at <= BEFORE for at in run) for run in runs)
            within = sum(delay <= most for delay in delays)
            wanted = f"{RUNS} of {RUNS} (median {median(delays):.0f}, worst {max(delays)}; before it: {early} runs)"
            yield Judgement(f"{change}: runs in which it is reported within {most}", within, wanted, within == RUNS)
        steady = sum(bool(run) for run in pool.starmap(alarms, [(seed, None) for seed in range(STEADY_RUNS)]))
        what = f"nothing changes in {STEADY:,} samples: runs with an alarm"
        yield Judgement(what, steady, f"<= 2 of {STEADY_RUNS}", steady <= 2)


def main() -> int:
    """Print the figures; 1 if one is not as wanted."""
    return show(judgements())


if __name__ == "__main__":
    sys.exit(main())
