"""What `segue webhooks` prints for people."""

from __future__ import annotations

import orjson
import pytest

from state.webhooks.queues import Standing
from streams.cli.webhooks import show_standing

AT_MS = 1_772_366_400_000


@pytest.mark.parametrize(
    ("last", "line"),
    [
        (None, "-"),
        ({"status": 200, "failure": None, "shown": "heard"}, "2026-03-01T12:00:00.000Z  200  heard"),
        ({"status": None, "failure": "timeout", "shown": ""}, "2026-03-01T12:00:00.000Z  timeout"),
        ({"status": 302, "failure": "redirect", "shown": ""}, "2026-03-01T12:00:00.000Z  302 redirect"),
    ],
    ids=str,
)
def test_the_last_attempt_is_told_in_words(
    last: dict[str, object] | None, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "" if last is None else orjson.dumps({"at": AT_MS, **last}).decode()
    standing = Standing(None, None, waiting=1, done=2, again=3, spent=4, dead=5, next_due_ms=AT_MS, last=text)
    show_standing(standing)
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == f"last attempt            {line}"
    assert shown[-2] == "next attempt            2026-03-01T12:00:00.000Z"
