"""Many cases as one: one ruleset and one file, for tests in which each run is dear."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.strategies.cases import Case


def merged_definitions(cases: Sequence[Case]) -> dict[str, Any]:
    """Return the definitions of all cases, their keys told apart by the case's number."""
    merged: dict[str, Any] = {"segments": [], "segmentations": []}
    for number, case in enumerate(cases):
        for segment in case.definitions.get("segments") or []:
            merged["segments"].append(_renamed(segment, number))
        for one in case.definitions.get("segmentations") or []:
            segments = [_key(key, number) for key in one["segments"]]
            keys = {"key": _key(one["key"], number), "segments": segments, "otherwise": _key(one["otherwise"], number)}
            merged["segmentations"].append(one | keys)
    return merged


def merged_lines(cases: Sequence[Case]) -> Iterable[bytes]:
    """Yield every case's records that fit on a line, its customers told apart by the case's number."""
    for number, case in enumerate(cases):
        for record in case.records:
            line = _own_customer(record.value, number)
            if b"\n" not in line and b"\r" not in line and line.strip():
                yield line


def _key(key: str, number: int) -> str:
    return ".".join(f"c{number}_{part}" for part in key.split("."))


def _renamed(definition: dict[str, Any], number: int) -> dict[str, Any]:
    renamed: dict[str, Any] = _references(definition, number)
    return renamed | {"key": _key(definition["key"], number)}


def _references(tree: Any, number: int) -> Any:
    """Return the tree with every `in_segment` renamed."""
    if isinstance(tree, list):
        return [_references(item, number) for item in tree]
    if not isinstance(tree, dict):
        return tree
    renamed = {name: _references(item, number) for name, item in tree.items()}
    target = renamed.get("in_segment")
    if isinstance(target, str):
        renamed["in_segment"] = _key(target, number)
    elif isinstance(target, dict):
        renamed["in_segment"] = target | {"key": _key(target["key"], number)}
    return renamed


def _own_customer(value: bytes, number: int) -> bytes:
    try:
        tree = json.loads(value)
    except ValueError:
        return value
    if not isinstance(tree, dict):
        return value
    for name in ("userId", "anonymousId"):
        if isinstance(tree.get(name), str) and tree[name]:
            tree[name] = f"{number}-{tree[name]}"
    try:
        return json.dumps(tree, allow_nan=True, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return value
