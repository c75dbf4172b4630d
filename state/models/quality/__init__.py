"""How good a model is, measured as it learns: one measure a kind of model."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rules.models.definition import Anomaly, Clusters, Propensity, Value
from state.models.quality.anomaly import AnomalyQuality
from state.models.quality.clusters import ClustersQuality
from state.models.quality.propensity import PropensityQuality
from state.models.quality.value import ValueQuality

if TYPE_CHECKING:
    from rules.models.definition import AnyModel
    from state.models.quality.base import Quality


def make_quality(definition: AnyModel) -> Quality:
    """Return what measures a model and has measured nothing."""
    match definition:
        case Propensity():
            return PropensityQuality()
        case Value():
            return ValueQuality()
        case Clusters():
            return ClustersQuality()
        case Anomaly():
            return AnomalyQuality()
        case _:
            assert_never(definition)
