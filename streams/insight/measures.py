"""Which measures tell how good a model is, each beside what needs no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.insight.book import Entry

SIDES: Final = {"event": "at events", "timer": "in silence"}
"""Why a sample was taken -> in words; the two are measured apart."""

_COIN: Final = 0.5
_TENTH: Final = 0.1
_HUNDREDTH: Final = 0.01


class Measure(NamedTuple):
    """One number and the one to be held against it, both as they are written.

    `better` says whether the number is on the right side of the other; None where neither side is. `main` ones stand
    in the overview of all models.
    """

    name: str
    said: str
    beside: str
    better: bool | None
    main: bool = True


class Side(NamedTuple):
    """The measures of samples taken for one reason, over so many."""

    name: str
    samples: int
    measures: list[Measure]
    numbers: Mapping[str, Any]


def sides_of(entry: Entry, span: str = "recent") -> Iterator[Side]:
    """Yield the measures at events and in silence, over the newest samples or `all`; one with none is left out."""
    for side, name in SIDES.items():
        numbers = entry.recent(side, span)
        samples = numbers.get("labels", numbers.get("samples", 0))
        if samples:
            yield Side(name, samples, [one for one in _measures(entry.kind, numbers) if one is not None], numbers)


def _measures(kind: str, numbers: Mapping[str, Any]) -> Iterator[Measure | None]:
    match kind:
        case "propensity":
            yield _higher("ROC AUC", numbers["auc"], _COIN, ".3f")
            yield _lower("log loss", numbers["log_loss"], numbers["base_log_loss"], ".3f")
            yield _told("Brier score", numbers["brier"], ".3f")
            yield _told("calibration error", numbers["calibration_error"], ".3f")
            yield _beside("mean score", numbers["mean_score"], numbers["base_rate"], ".1%", main=False)
        case "value":
            yield _lower("RMSE", numbers["rmse"], numbers["running_mean_rmse"], ",.2f")
            yield _lower("mean absolute error", numbers["mae"], numbers["running_mean_mae"], ",.2f", main=False)
            yield _beside("predicted/came", numbers["bias"], 1.0, ".2f")
            yield _higher("Spearman", numbers["spearman"], 0.0, ".3f", main=False)
            yield _higher("share of the top tenth", numbers["top_tenth_share"], _TENTH, ".0%", main=False)
            yield _beside("mean score", numbers["mean_score"], numbers["mean"], ",.2f", main=False)
        case "clusters":
            yield _told("distortion", numbers["distortion"], ".2f", main=True)
            yield _told("silhouette", numbers["silhouette"], ".2f", main=True)
        case "anomaly":
            yield _beside("above 0.99", numbers["over_99"], _HUNDREDTH, ".1%")
            yield _beside("above 0.90", numbers["over_90"], _TENTH, ".1%", main=False)
            yield _told("unevenness", numbers["uneven"], ".3f")
        case _:
            return


def _higher(name: str, number: float | None, than: float, form: str, *, main: bool = True) -> Measure | None:
    return None if number is None else Measure(name, format(number, form), format(than, form), number > than, main=main)


def _lower(name: str, number: float | None, than: float | None, form: str, *, main: bool = True) -> Measure | None:
    if number is None or than is None:
        return None
    return Measure(name, format(number, form), format(than, form), number < than, main=main)


def _beside(name: str, number: float | None, wanted: float | None, form: str, *, main: bool = True) -> Measure | None:
    if number is None or wanted is None:
        return None
    return Measure(name, format(number, form), format(wanted, form), None, main=main)


def _told(name: str, number: float | None, form: str, *, main: bool = False) -> Measure | None:
    return None if number is None else Measure(name, format(number, form), "", None, main=main)


def sizes_of(entry: Entry) -> dict[str, float]:
    """Return the share of recent samples in each cluster."""
    return {one["id"]: one["share"] for one in (entry.frozen or {}).get("clusters", ())}


def drifts_of(entry: Entry) -> int:
    """Return how many drifts were noticed."""
    return sum(entry.metrics.get("drift", {}).get("counts", {}).values())
