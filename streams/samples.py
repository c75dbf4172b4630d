"""A `Sample` ↔ what stands in the outbox and goes over the wire (`training-samples`): one JSON object.

In the outbox samples stand among changes, after those of the same commit; the first byte tells them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import orjson

from rules.dates import format_ms
from state.models.sample import Sample
from streams.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rules.ruleset import Ruleset

_JSON = b"{"
_NO_NUMBER = float("nan")

Source = tuple[int, int, int]
"""Where a sample was released: partition, number of the commit, and its place among the samples of that commit."""


class WireSample(msgspec.Struct, gc=False):
    """A sample as the topic has it; `x` has the features by name, null where one is no finite number."""

    id: str
    model: str
    definition: str
    customer_id: str
    at: str
    released_at: str
    why: str
    x: dict[str, float | None]
    y: float | None = None
    score: float | str | None = None
    version: int | None = None

    def source(self) -> Source:
        """Return the parts of the id; raises `ValueError`."""
        partition, commit, index = map(int, self.id.split("-"))
        return partition, commit, index

    def sample(self, names: Sequence[str]) -> Sample:
        """Return the sample, its features in the order of these names; raises `ValueError` where it has others."""
        if self.x.keys() != set(names):
            message = f"its features are {', '.join(self.x)}, those of the model are {', '.join(names)}"
            raise ValueError(message)
        numbers = (self.x[name] for name in names)
        return Sample(
            model=self.model,
            definition=self.definition,
            customer=self.customer_id,
            at=parse_timestamp(self.at),
            released_at=parse_timestamp(self.released_at),
            why=self.why,
            x=tuple(_NO_NUMBER if number is None else number for number in numbers),
            y=self.y,
            score=self.score,
            version=self.version,
        )


_decode = msgspec.json.Decoder(WireSample).decode


def feature_names(ruleset: Ruleset) -> Mapping[str, tuple[str, ...]]:
    """Return by model the names of a vector's numbers, in its order."""
    return {model.key: model.feature_names for model in ruleset.models}


def is_sample(entry: bytes) -> bool:
    """Whether an entry of the outbox is a sample; it is a change otherwise."""
    return entry[:1] == _JSON


def sample_bytes(sample: Sample, names: Sequence[str], source: Source) -> bytes:
    """Return the record's value."""
    return orjson.dumps(
        {
            "id": "-".join(map(str, source)),
            "model": sample.model,
            "definition": sample.definition,
            "customer_id": sample.customer,
            "at": format_ms(sample.at),
            "released_at": format_ms(sample.released_at),
            "why": sample.why,
            "x": dict(zip(names, sample.x, strict=True)),
            "y": sample.y,
            "score": sample.score,
            "version": sample.version,
        }
    )


def decode_sample(value: bytes) -> WireSample:
    """Return what a record holds; raises `ValueError` where that is no sample."""
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        message = f"it is no sample: {error}"
        raise ValueError(message) from None
