"""Canonical JSON of definitions: what their versions are hashes of."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

DIGITS: Final = 12


def version_of(source: str) -> str:
    """Return the version of canonical JSON: its SHA-256, cut to 12 hex digits."""
    return hashlib.sha256(source.encode()).hexdigest()[:DIGITS]


def canonical_json(tree: Any) -> str:
    """Return JSON with sorted keys, no spaces, and whole numbers without a fraction (1.0 is 1)."""
    return json.dumps(whole(tree), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def whole(tree: Any) -> Any:
    """Return the tree with whole numbers as integers: 1.0 is 1."""
    if isinstance(tree, dict):
        return {key: whole(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [whole(value) for value in tree]
    return int(tree) if isinstance(tree, float) and tree.is_integer() else tree
