from __future__ import annotations

from typing import Any

from state.webhooks import endpoints
from state.webhooks.endpoints import Endpoint

DAY_MS = 86_400_000


def made(**fields: Any) -> Endpoint:
    values: dict[str, Any] = {"id": "ep_1", "url": "https://x", "secret": "new", "created_ms": 0}
    return Endpoint(**(values | fields))


def test_a_record_reads_back_as_it_was_written() -> None:
    endpoint = made(starts={0: 7, 11: 0}, headers={"A": "b"}, max_per_second=0.5, disabled="gone")
    assert endpoints._read("ep_1", endpoints._encode(endpoint)) == endpoint  # noqa: SLF001 - what Redis would hold


def test_the_old_secret_signs_for_a_day_beside_the_new_one() -> None:
    rotated = made(previous_secret="old", rotated_ms=1_000)  # noqa: S106 - a test's
    assert rotated.secrets_at(1_000) == ("new", "old")
    assert rotated.secrets_at(1_000 + DAY_MS - 1) == ("new", "old")
    assert rotated.secrets_at(1_000 + DAY_MS) == ("new",)


def test_a_record_that_ends_in_a_log_shows_no_secret() -> None:
    assert repr(made(headers={"Authorization": "b"})) == "Endpoint('ep_1')"
