"""The active ruleset's segments as people look them up: what they are called, what defines them, how many are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from rules.models.unit import ClusterUnit
from streams.explain import Named, segments_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from state.engine import Engine
    from streams.http.lookup.rules import Compiled


def catalogue(active: Compiled, sizes: Mapping[str, int], flows: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Return every segment and segmentation, ready for JSON; `sizes` and `flows` are by full name.

    `flows` are entries and exits in the last 24 h.
    """
    source = orjson.loads(active.stored.source)
    definitions = _by_key(source, "segments")
    owners = _by_key(source, "models") | _by_key(source, "segmentations")
    segments = [*segments_of(active.engine), *unlabelled(active.engine, sizes)]
    return {
        "ruleset": active.stored.version,
        "segments": [
            {
                "segment": one.segment,
                "segmentation": one.segmentation,
                "name": one.title,
                "description": definitions.get(one.segment, {}).get("description"),
                "size": sizes.get(one.name, 0),
                "entered_24h": flows.get(one.name, (0, 0))[0],
                "exited_24h": flows.get(one.name, (0, 0))[1],
                "definition": definitions.get(one.segment),
            }
            for one in segments
        ],
        "segmentations": [
            {
                "key": key,
                "name": owners[key].get("name") or key,
                "description": owners[key].get("description"),
                "segments": owners[key].get("segments"),
                "otherwise": owners[key].get("otherwise"),
            }
            for key in sorted({one.segmentation for one in segments if one.segmentation is not None})
        ],
    }


def _by_key(source: dict[str, Any], section: str) -> dict[str, dict[str, Any]]:
    return {one["key"]: one for one in source.get(section) or []}


def unlabelled(engine: Engine, sizes: Mapping[str, int]) -> Iterator[Named]:
    """Yield the clusters that customers are in and that the definition has no label for."""
    units = {unit.key: (index, unit) for index, unit in enumerate(engine.units) if isinstance(unit, ClusterUnit)}
    for name in sorted(sizes):
        key, _, cluster = name.partition(".")
        if key in units and cluster not in units[key][1].names:
            yield Named(units[key][0], cluster, key, cluster)
