"""The bytes of a view: what chat tools read at `<app id>:customer:<customer id>`.

The revision stands first. The store compares it there, without parsing the rest, when it decides whether a view may
replace another.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from rules.errors import StateError

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_json: Final = orjson.dumps


def encode_view(content: dict[str, Any]) -> tuple[int, bytes]:
    """Return revision and JSON of a view, as `Store.write_views` takes them.

    `content` is what `Engine.show` returns: first in it is its `rev`, which counts the customer's revisions from 1.
    """
    return content["rev"], _json(content)


def decode_view(customer: str, data: bytes) -> dict[str, Any]:
    """Return the content of a stored view; raise `StateError` where it is no view."""
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        message = (
            f"the view of customer {customer!r} is no JSON object ({error}); delete it, the next change rewrites it"
        )
        raise StateError(message) from error
