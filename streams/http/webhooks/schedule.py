"""When a delivery that failed is tried again, and when it is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from streams.http.webhooks.attempt import Outcome

STEPS_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""The waits after the first attempt, the second, …: ten attempts in all, within three days and four hours."""

SPREAD: Final = 0.1
"""Each wait is longer or shorter by up to this share, so that what failed together does not come back together."""

FAILING_MS: Final = 5 * 86_400_000
"""An endpoint that failed for so long, with no success in between, is disabled."""

_REFUSED_TRIES: Final = 3
_GONE: Final = 410
_WAITS: Final = (429, 503)
_MAY_PASS: Final = (408, 425, 429)


class Verdict(NamedTuple):
    """What is to be done with a delivery; `due_ms` is when, where it is tried again."""

    kind: Literal["done", "again", "spent", "gone"]
    due_ms: int = 0


def verdict(outcome: Outcome, tries: int, now_ms: int, spread: float) -> Verdict:
    """Return what follows from an attempt.

    Parameters
    ----------
    tries
        How many attempts there were, this one included.
    spread
        A random number from -1 to 1.

    Notes
    -----
    `Retry-After` makes a wait longer, never shorter, lest an endpoint that asks for a second use up its ten attempts in
    ten; and at most as long as the longest step.
    """
    if outcome.good:
        return Verdict("done")
    status = outcome.status
    if status == _GONE:
        return Verdict("gone")
    refused = status is not None and 400 <= status < 500 and status not in _MAY_PASS  # noqa: PLR2004 - 4xx
    if tries >= (_REFUSED_TRIES if refused else len(STEPS_S) + 1):
        return Verdict("spent")
    wait_s = STEPS_S[tries - 1] * (1 + SPREAD * spread)
    if status in _WAITS and outcome.retry_after_s is not None:
        wait_s = max(wait_s, min(outcome.retry_after_s, STEPS_S[-1]))
    return Verdict("again", now_ms + round(wait_s * 1000))
