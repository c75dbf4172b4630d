from __future__ import annotations

from state.webhooks import endpoints
from state.webhooks.endpoints import Endpoint

DAY_MS = 86_400_000


def test_a_record_reads_back_as_it_was_written() -> None:
    made = Endpoint(
        id="ep_1", url="https://x", secret="whsec_a", created_ms=5, starts={0: 7, 11: 0}, headers={"A": "b"}
    )
    assert endpoints._read("ep_1", endpoints._encode(made)) == made  # noqa: SLF001 - what Redis would hold


def test_the_old_secret_signs_for_a_day_beside_the_new_one() -> None:
    made = Endpoint(id="ep_1", url="https://x", secret="new", created_ms=0, previous_secret="old", rotated_ms=1_000)
    assert made.secrets_at(1_000) == ("new", "old")
    assert made.secrets_at(1_000 + DAY_MS - 1) == ("new", "old")
    assert made.secrets_at(1_000 + DAY_MS) == ("new",)


def test_a_record_that_ends_in_a_log_shows_no_secret() -> None:
    made = Endpoint(id="ep_1", url="https://x", secret="whsec_a", created_ms=5, headers={"Authorization": "b"})
    assert repr(made) == "Endpoint('ep_1')"
