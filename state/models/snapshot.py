"""A version of a model, as it goes to the topic `models`: what scoring needs, and what learning needs to go on."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from rules.errors import StateError

MOST_BYTES: Final = 900_000
"""The largest record: a broker takes a million bytes where nothing else is set."""


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """One version of one model.

    `version` counts 1, 2, 3 … of a model's key and definition. `samples` have been learned, the last of them at
    `offset` of the topic `training-samples` (-1 where there was none). `created_at` is in ms. `scorer` is what scores
    are made with, None while the model warms up; `learner` is what `Trainer.restore` goes on from; `metrics` is for
    people: the quality so far, the drift found, and what is wrong with the samples. All are JSON.
    """

    model: str
    definition: str
    version: int
    samples: int
    offset: int
    created_at: int
    scorer: dict[str, Any] | None
    learner: dict[str, Any]
    metrics: dict[str, Any]


def encode(snapshot: Snapshot) -> bytes:
    """Return the record's value, JSON of 900 KB at most; raises StateError if it would be larger."""
    data = msgspec.json.encode(snapshot)
    if len(data) > MOST_BYTES:
        message = (
            f"model {snapshot.model}: its snapshot has {len(data):,} bytes, {MOST_BYTES:,} at most: "
            "give the model fewer features"
        )
        raise StateError(message)
    return data


def decode(data: bytes) -> Snapshot:
    """Return the snapshot of a record's value; raises StateError for bytes that are none."""
    try:
        return msgspec.json.decode(data, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = (
            f"a record of the topic models is no snapshot ({error}); write an empty value under its key, and the "
            "model learns anew from the samples that the topic training-samples still has"
        )
        raise StateError(message) from error
