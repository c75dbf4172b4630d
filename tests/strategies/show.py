"""A case as commands that a person can paste into a shell."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from tests.oracle import Record
    from tests.strategies.cases import Case


def instant(ms: int) -> str:
    """Write milliseconds as RFC 3339 in UTC."""
    at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def show(case: Case) -> str:
    """Return the case as a shell script, and what the oracle expects of it as comments."""
    rules = yaml.safe_dump(dict(case.definitions), sort_keys=False, allow_unicode=True)
    lines = ["", "# --- a case to run again", f"cat > rules.yaml <<'END'\n{rules}END"]
    lines += _live(case) if case.live else _replay(case)
    lines += ["# expected:", *(f"#   {one}" for one in expected_lines(case)), "# ---", ""]
    return "\n".join(lines)


def _replay(case: Case) -> list[str]:
    events = "\n".join(record.value.decode(errors="backslashreplace") for record in case.records)
    until = f" --until {instant(case.until_ms)}" if case.until_ms is not None else ""
    command = f"segue replay --in-memory --rules rules.yaml --events events.jsonl{until}"
    return [f"cat > events.jsonl <<'END'\n{events}\nEND", f"SEGUE_MAX_LATE={case.max_late_ms}ms {command}"]


def _live(case: Case) -> list[str]:
    settings = f"grace_ms={case.grace_ms}, clock_skew_ms={case.clock_skew_ms}, max_future_ms={case.max_future_ms}"
    head = f"# a log, by the live rules: until_ms={case.until_ms}, max_late_ms={case.max_late_ms}, {settings}"
    return [head, *(f"#   {_record(record)}" for record in case.records)]


def _record(record: Record) -> str:
    text = record.value.decode(errors="backslashreplace")
    key = record.key.decode(errors="backslashreplace") if record.key is not None else None
    return json.dumps(key) + f" @ {instant(record.broker_ms)} ({record.broker_ms}): {text or '(tick)'}"


def expected_lines(case: Case) -> list[str]:
    """Return what the oracle expects, one readable line a change, and what became of the records."""
    result = case.expected()
    lines = [
        f"{one.customer_id} {one.seq}: {one.change} {one.segmentation or ''}{'.' * bool(one.segmentation)}{one.segment}"
        f" at {instant(one.at)} ({one.at}) by {one.cause.get('event', 'timer')}, now {list(one.segments)}"
        for one in result.changes
    ]
    counts = f"applied {result.applied}, duplicates {result.duplicates}, rejected {dict(result.rejected)}"
    return [*lines, f"{counts}, after until {result.after_until}, customers {result.customers}"]
