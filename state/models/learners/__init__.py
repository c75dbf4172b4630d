"""What learns: one learner a kind of model. This package needs River; scoring does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rules.models.definition import Anomaly, Clusters, Propensity, Value

if TYPE_CHECKING:
    from rules.models.definition import AnyModel
    from state.models.learners.base import Learner


def make_learner(definition: AnyModel) -> Learner:
    """Return a learner that has learned nothing; the imports stand here, since one kind needs not the others' parts."""
    match definition:
        case Propensity():
            from state.models.learners.propensity import PropensityLearner  # noqa: PLC0415

            return PropensityLearner(definition)
        case Value():
            from state.models.learners.value import ValueLearner  # noqa: PLC0415

            return ValueLearner(definition)
        case Clusters():
            from state.models.learners.clusters import ClustersLearner  # noqa: PLC0415

            return ClustersLearner(definition)
        case Anomaly():
            from state.models.learners.anomaly import AnomalyLearner  # noqa: PLC0415

            return AnomalyLearner(definition)
        case _:
            assert_never(definition)
