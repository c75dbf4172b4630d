"""Scorers made from snapshots, by the kind of model. Nothing here needs River: a worker that only scores is small."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rules.errors import StateError
from rules.models.definition import Anomaly, Clusters, Propensity, Value
from state.models.centres import ClusterScorer
from state.models.linear import Linear, not_negative, sigmoid
from state.models.trees import TreesScorer

if TYPE_CHECKING:
    from rules.models.definition import AnyModel
    from state.models.scorer import Scorer
    from state.models.snapshot import Snapshot


def make_scorer(definition: AnyModel, snapshot: Snapshot) -> Scorer | None:
    """Return the scorer of a snapshot; None while the model warms up, and of a snapshot of another definition.

    Raises
    ------
    StateError
        if what the snapshot has as scorer cannot be one.
    """
    if snapshot.scorer is None or (snapshot.model, snapshot.definition) != (definition.key, definition.definition):
        return None
    try:
        return _make(definition, snapshot)
    except (KeyError, TypeError, ValueError) as error:
        message = (
            f"model {definition.key}: version {snapshot.version} cannot be scored with ({error!r}); write an empty "
            "value under its key in the topic models, and it learns anew"
        )
        raise StateError(message) from error


def _make(definition: AnyModel, snapshot: Snapshot) -> Scorer:
    frozen = snapshot.scorer or {}
    match definition:
        case Propensity():
            return Linear(snapshot.version, frozen, sigmoid)
        case Value():
            return Linear(snapshot.version, frozen, not_negative)
        case Clusters():
            return ClusterScorer(definition, snapshot.version, frozen)
        case Anomaly():
            return TreesScorer(snapshot.version, frozen)
        case _:
            assert_never(definition)
