"""Samples over the wire, and which snapshot is in force."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import pytest

from rules.load import load_text
from state.change import Change
from state.models.sample import Sample
from state.models.snapshot import Snapshot, encode
from streams.changes import make_entry, pack_entry
from streams.counters import Counters
from streams.samples import decode_sample, feature_names, is_sample, sample_bytes
from streams.snapshots import InForce, Newest, Verdict

if TYPE_CHECKING:
    from state.models.scorer import Scorers

RULESET = load_text("""
models:
  - key: again
    kind: propensity
    target: {event: Bought, within: 2d}
    sample: {every: 1d}
    features: {a: {did: {event: Bought, within: 3d}}, b: {trait: plan, one_of: [free, pro]}}
""")
MODEL = RULESET.models[0]
SAMPLE = Sample(
    model="again", definition=MODEL.definition, customer="c ü", at=1_767_225_600_000, released_at=1_767_398_400_123,
    why="timer", x=(2.5, 0.0, 1.0), y=1.0, score=0.25, version=7,
)  # fmt: skip
NAMES = feature_names(RULESET)["again"]


def test_a_sample_there_and_back() -> None:
    assert NAMES == ("a", "b=free", "b=pro")
    data = sample_bytes(SAMPLE, NAMES, (3, 17, 5))
    wire = decode_sample(data)
    assert wire.sample(NAMES) == SAMPLE
    assert wire.source() == (3, 17, 5)
    assert orjson.loads(data) == {
        "id": "3-17-5",
        "model": "again",
        "definition": MODEL.definition,
        "customer_id": "c ü",
        "at": "2026-01-01T00:00:00.000Z",
        "released_at": "2026-01-03T00:00:00.123Z",
        "why": "timer",
        "x": {"a": 2.5, "b=free": 0.0, "b=pro": 1.0},
        "y": 1.0,
        "score": 0.25,
        "version": 7,
    }


@pytest.mark.parametrize("score", [None, 0.5, "c3"])
def test_a_score_is_a_number_or_a_clusters_id(score: float | str | None) -> None:
    sample = msgspec.structs.replace(SAMPLE, score=score, y=None)
    assert decode_sample(sample_bytes(sample, NAMES, (0, 1, 0))).sample(NAMES) == sample


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_is_no_finite_number_stays_none(number: float) -> None:
    data = sample_bytes(msgspec.structs.replace(SAMPLE, x=(number, 0.0, 1.0)), NAMES, (0, 1, 0))
    assert orjson.loads(data)["x"]["a"] is None
    assert math.isnan(decode_sample(data).sample(NAMES).x[0])


@pytest.mark.parametrize(
    "change",
    [
        {"id": "1-2"}, {"id": "a-b-c"}, {"x": {"a": 1}}, {"x": {"a": 1, "b=free": 0, "b=pro": 0, "c": 1}},
        {"x": {"a": "1", "b=free": 0, "b=pro": 0}}, {"at": "yesterday"}, {"customer_id": None}, {"why": 1},
    ],
)  # fmt: skip
def test_what_is_no_sample_is_told(change: dict[str, Any]) -> None:
    data = orjson.dumps(orjson.loads(sample_bytes(SAMPLE, NAMES, (0, 1, 0))) | change)
    with pytest.raises(ValueError, match=r"."):
        _both(data)


def _both(data: bytes) -> None:
    wire = decode_sample(data)
    wire.source()
    wire.sample(NAMES)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff"])
def test_what_is_no_json_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match="it is no sample"):
        decode_sample(data)


def test_the_outbox_tells_samples_from_changes() -> None:
    change = make_entry("app", Change("c", 1, "entered", "s", None, None, 0, {}, [], [], "r"), 1)
    assert is_sample(sample_bytes(SAMPLE, NAMES, (0, 1, 0)))
    assert not is_sample(pack_entry(change))


def snapshot(version: int, offset: int, definition: str = MODEL.definition, scorer: Any = None) -> bytes:
    return encode(Snapshot("again", definition, version, offset, offset, 0, scorer, {"state": None}, {}))


def test_the_newest_snapshot_is_the_one_with_the_highest_offset() -> None:
    newest = Newest(RULESET.models)
    assert newest.take(b"again", snapshot(1, 10)) is Verdict.TAKEN
    assert newest.take(b"again", snapshot(2, 20)) is Verdict.TAKEN
    assert newest.take(b"again", snapshot(9, 19)) is Verdict.IGNORED
    assert newest.take(b"again", snapshot(3, 20)) is Verdict.TAKEN
    assert newest.held["again"].version == 3


def test_what_is_not_the_rulesets_is_passed_over() -> None:
    newest = Newest(RULESET.models)
    assert newest.take(b"again", snapshot(1, 10, "other")) is Verdict.IGNORED
    assert newest.take(b"again", b"{") is Verdict.IGNORED
    assert newest.take(b"someone", snapshot(1, 10)) is Verdict.FOREIGN
    assert newest.take(b"\xff", b"{") is newest.take(None, b"{") is Verdict.FOREIGN
    assert newest.held == {}


@pytest.mark.parametrize("nothing", [b"", None])
def test_an_empty_value_lets_a_model_begin_anew(nothing: bytes | None) -> None:
    newest = Newest(RULESET.models)
    newest.take(b"again", snapshot(7, 70))
    assert newest.take(b"again", nothing) is Verdict.FORGOTTEN
    assert newest.take(b"again", snapshot(1, 3)) is Verdict.TAKEN


def test_scorers_follow_the_snapshots() -> None:
    scorers: Scorers = {}
    counters = Counters()
    in_force = InForce(RULESET.models, scorers, counters)
    frozen = {"means": [0.0] * 3, "sds": [1.0] * 3, "weights": [0.0] * 3, "intercept": 0.0}
    steps: list[tuple[bytes, int | None]] = [
        (snapshot(1, 10), None),  # warming up still
        (snapshot(2, 20, scorer=frozen), 2),
        (snapshot(9, 15, scorer=frozen), 2),  # a zombie's
        (snapshot(3, 30, scorer={"no": "scorer"}), 2),
        (snapshot(4, 25, scorer=frozen), 4),  # the one that was no scorer is not in its way
        (b"", None),
        (snapshot(1, 3, scorer=frozen), 1),
        (snapshot(2, 4), None),
    ]
    for value, version in steps:
        in_force.take(b"again", value)
        assert (scorers["again"].version if "again" in scorers else None) == version
    assert counters.snapshots_ignored == 2
