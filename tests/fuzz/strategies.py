"""Bad input as hypothesis draws it: any JSON in any field, and what bytes become."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.fuzz.cuts import CUTS
from tests.fuzz.odd import DEPTHS, INSTANTS, NO_NUMBERS, NO_TEXTS, NO_UTF8, NUMBERS, OTHERS, TEXTS
from tests.fuzz.originals import FULL
from tests.fuzz.trees import FIELDS
from tests.fuzz.worlds import BEGIN_MS, STEP_MS, Sent
from tests.fuzz.writing import Raw, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

texts = st.text(max_size=20) | st.sampled_from(INSTANTS)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
raw = st.sampled_from([*NUMBERS, *NO_NUMBERS, *TEXTS, *NO_TEXTS, *OTHERS]) | st.sampled_from(NO_UTF8).map(
    lambda some: b'"%b"' % some
)
nested = st.sampled_from(DEPTHS).map(lambda depth: b"[" * depth + b"]" * depth)
values = plain | (raw | nested).map(Raw)
inner_fields = st.sampled_from(("total", "products", "plan", "tags", "createdAt", "name", "currency", "company"))


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """Draw an event in which any field may be anything."""
    event: dict[str, Any] = dict(draw(st.sampled_from(FULL)))
    event["userId"] = draw(st.sampled_from(("h1", "h2", "h3")))
    event["messageId"] = draw(st.sampled_from(("m1", "m2", "m3", "m4", None)))
    event |= draw(st.dictionaries(st.sampled_from(FIELDS), values, max_size=3))
    for field in draw(st.sets(st.sampled_from(("properties", "traits", "context")))):
        event[field] = draw(st.dictionaries(inner_fields | texts, values, max_size=3))
    return write(event)


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """Draw an event whose bytes are no longer what its sender meant."""
    value = draw(events() | st.sampled_from(FULL).map(lambda event: json.dumps(event).encode()) | st.binary())
    for cut in draw(st.lists(st.sampled_from(CUTS), min_size=1, max_size=2)):
        value = cut(draw(st.randoms(use_true_random=False)), value)
    return value


keys: SearchStrategy[bytes | None] = st.sampled_from((b"h1", b"h2", b"h3")) | st.none() | st.binary(max_size=9)


@st.composite
def logs(draw: st.DrawFn) -> Sequence[Sent]:
    """Draw some records, each with its key as often as not."""
    log = []
    for place, value in enumerate(draw(st.lists(events() | bent(), min_size=1, max_size=6))):
        named = next((key for key in (b"h1", b"h2", b"h3") if b'"userId":"%b"' % key in value), b"h1")
        key = draw(keys) if draw(st.integers(0, 3)) == 0 else named
        log.append(Sent(value, key, BEGIN_MS + place * STEP_MS, made_by="hypothesis"))
    return log
