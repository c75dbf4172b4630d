"""JSON that no library would write: trees in which any bytes may stand for a value or a key."""

from __future__ import annotations

import json
from typing import Any


class Raw:
    """Bytes that stand in a tree as they are, for a value.

    `mark` is the text that holds their place while the rest of the tree is written.
    """

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def mark(self) -> str:
        """A text that no event has."""
        return f"\x00{id(self):x}\x00"

    def __repr__(self) -> str:
        return f"Raw({self.data[:40]!r})"


def write(tree: Any) -> bytes:
    """Return the tree as JSON in UTF-8, its raw parts as they are."""
    raws: dict[str, Raw] = {}

    def mark(raw: Raw) -> str:
        raws[raw.mark] = raw
        return raw.mark

    text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"), default=mark)
    data = text.encode("utf-8", "surrogatepass")
    for name, raw in raws.items():
        data = data.replace(json.dumps(name).encode(), raw.data)
    return data
