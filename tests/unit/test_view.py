from __future__ import annotations

import json

import pytest

from rules.errors import StateError
from rules.load import load_text
from state.engine import Engine
from state.view import decode_view, encode_view

CONTENT = {
    "rev": 21,
    "customer_id": "c42",
    "segments": [{"key": "newsletter", "name": "Newsletter", "since": "2026-03-01T12:00:00.000Z"}],
    "segmentations": {"lifecycle": {"key": "at_risk", "name": "À risque", "since": "2026-03-01T12:00:00.000Z"}},
    "scores": {"churn": 0.31},
    "traits": {"plan": "pro", "rev": 99},
    "seq": 17,
    "updated_at": "2026-03-01T12:00:00.000Z",
}


def test_a_view_is_plain_json_with_its_revision_in_front() -> None:
    rev, data = encode_view(CONTENT)
    assert rev == 21
    assert data.startswith(b'{"rev":21,')
    assert json.loads(data) == CONTENT
    assert data.count(b'"rev":21') == 1


def test_what_the_engine_shows_has_its_revision_in_front() -> None:
    engine = Engine(load_text("segments: [{key: bought, when: {did: {event: Bought}}}]"))
    profile = engine.new("c42")
    profile.clock = 0
    assert next(iter(engine.show(profile))) == "rev"


def test_a_view_round_trips() -> None:
    assert decode_view("c42", encode_view(CONTENT)[1]) == CONTENT


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff", b"null"])
def test_what_is_no_view_is_an_error_that_names_the_customer(data: bytes) -> None:
    with pytest.raises(StateError, match="'c42' is no JSON object"):
        decode_view("c42", data)
