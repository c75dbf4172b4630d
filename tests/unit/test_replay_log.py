"""Dumps of a log, and `segue replay --live` of one: what a worker should have said."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka.structs import ConsumerRecord
from typer.testing import CliRunner

from rules.errors import ReplayError
from streams.cli import main
from streams.events import TICK_HEADER
from streams.replay.dump import LogRecord, dump_line, open_dump, read_dump

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

RULES = """\
segments:
  - key: waiting
    when: {then_not: {event: Added, but: {event: Bought}, wait: 10s}}
"""
NOON_MS = 1_767_268_800_000
KEYS = [None, b"", b"c42", "çø✓".encode(), b"\xff\x00"]


def record(
    key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...] = (), **fields: int
) -> Any:
    numbers = {"partition": 3, "offset": 7, "timestamp": NOON_MS, "timestamp_type": 1} | fields
    return ConsumerRecord(
        topic="customer-events", key=key, value=value, headers=cast("Any", headers), checksum=None,
        serialized_key_size=0, serialized_value_size=0, **numbers,
    )  # fmt: skip


def read(path: Path, content: bytes) -> list[LogRecord]:
    path.write_bytes(content)
    with open_dump(path) as lines:
        return list(read_dump(lines))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dump.jsonl"


@pytest.mark.parametrize("value", [*KEYS[1:], b'{"type": "page"}', b"x" * 100_000, None])
@pytest.mark.parametrize("key", KEYS)
def test_what_was_dumped_is_read_back(file: Path, key: bytes | None, value: bytes | None) -> None:
    line = dump_line(record(key, value, (("a", b"b"), ("c", b"\xff"), ("d", None))))
    assert read(file, line) == [LogRecord(3, NOON_MS, False, key, value, tick=False)]


def test_text_stays_readable_and_other_bytes_are_base64(file: Path) -> None:
    tree = json.loads(dump_line(record(b"c42", b"\xff", (("a", b"b"), ("c", b"\xff")))))
    assert tree == {
        "partition": 3, "offset": 7, "broker_ms": NOON_MS, "key": "c42", "value_base64": "/w==",
        "headers": [["a", "b"], ["c", {"base64": "/w=="}]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "header", "tick"),
    [
        (None, b"", TICK_HEADER, True),
        (None, b"", "other", False),
        (b"k", b"", TICK_HEADER, False),
        (None, b"x", TICK_HEADER, False),
    ],
)
def test_a_tick_is_known_by_all_three_signs(
    file: Path, key: bytes | None, value: bytes, header: str, tick: bool
) -> None:
    assert read(file, dump_line(record(key, value, ((header, b""),))))[0].tick is tick


def test_a_producer_s_time_is_said_to_be_one(file: Path) -> None:
    assert read(file, dump_line(record(b"k", b"v", timestamp_type=0)))[0].create_time


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "truncated"),
        (b'{"partition": 0}', "broker_ms"),
        (b'{"partition": "0", "broker_ms": 1}', "int"),
        (b'{"partition": 0, "broker_ms": 1, "valeu": ""}', "valeu"),
        (b'{"partition": 0, "broker_ms": 1, "key_base64": "?"}', "base64"),
    ],
)
def test_a_line_that_is_none_of_a_dump_is_an_error_with_its_number(file: Path, line: bytes, words: str) -> None:
    good = dump_line(record(b"k", b"v"))
    with pytest.raises(ReplayError, match=f"record 2 is no line of a dump: .*{words}.*--help"):
        read(file, good + line)


def at(
    second: int, event: str | None, *, partition: int = 0, timestamp: str | None = None, **fields: Any
) -> dict[str, Any]:
    """Return the line of an event (with its own time within the minute, or with none), or (None) of a tick."""
    line: dict[str, Any] = {"partition": partition, "broker_ms": NOON_MS + second * 1000}
    if event is None:
        return line | {"key": None, "value": "", "headers": [[TICK_HEADER, ""]]}
    body = {"type": "track", "userId": "c1", "event": event}
    if timestamp is not None:
        body["timestamp"] = f"2026-01-01T12:00:{timestamp}Z"
    return line | {"key": "c1", "value": json.dumps(body)} | fields


def replayed(folder: Path, lines: list[dict[str, Any]], *options: str) -> tuple[Result, list[tuple[str, str]]]:
    (folder / "rules.yaml").write_text(RULES)
    (folder / "log.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    words = ["--rules", "rules.yaml", "--events", "log.jsonl.gz", "--changes", "changes.jsonl"]
    paths = [str(folder / word) if "." in word else word for word in words]
    result = CliRunner().invoke(main, ["replay", "--live", *paths, *options])
    changes = (folder / "changes.jsonl").read_text().splitlines() if result.exit_code == 0 else []
    return result, [(change["change"], change["at"][14:23]) for change in map(json.loads, changes)]


ENTERED = ("entered", "00:10.000")


@pytest.mark.parametrize(
    ("last", "told"),
    [
        # due at 10 s; certain is what lies strictly before the newest broker time less grace (1 s) and skew (100 ms)
        ([at(11, None)], []),
        ([at(11, None) | {"broker_ms": NOON_MS + 11_100}], []),
        ([at(11, None) | {"broker_ms": NOON_MS + 11_101}], [ENTERED]),
        ([at(60, None, partition=1)], []),
        ([at(12, "Bought")], [ENTERED, ("exited", "00:12.000")]),
        ([at(11, "Bought", timestamp="09.999")], []),
        ([at(11, "Bought", timestamp="09.999") | {"broker_ms": NOON_MS + 11_001}], [ENTERED, ("exited", ENTERED[1])]),
    ],
    ids=["tick", "tick too early", "tick in time", "another partition's tick", "after it", "in the grace", "too late"],
)
def test_a_timer_fires_where_the_log_makes_it_certain(
    tmp_path: Path, last: list[dict[str, Any]], told: list[tuple[str, str]]
) -> None:
    assert replayed(tmp_path, [at(0, "Added"), *last])[1] == told


def test_with_a_horizon_all_that_is_due_up_to_it_fires(tmp_path: Path) -> None:
    assert replayed(tmp_path, [at(0, "Added")], "--until", "2026-01-01T12:00:09.999Z")[1] == []
    assert replayed(tmp_path, [at(0, "Added")], "--until", "2026-01-01T12:00:10Z")[1] == [ENTERED]


def test_the_margins_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_GRACE", "0s")
    monkeypatch.setenv("SEGUE_CLOCK_SKEW", "0s")
    assert replayed(tmp_path, [at(0, "Added"), at(10, None)])[1] == []
    assert replayed(tmp_path, [at(0, "Added"), at(11, None)])[1] == [ENTERED]


def test_ticks_are_no_events_and_a_wrong_key_is_rejected(tmp_path: Path) -> None:
    lines = [at(0, "Added"), at(1, None), at(2, "Bought", key="c2"), at(3, "Bought", key=None), at(20, None)]
    result, told = replayed(tmp_path, lines)
    assert told == [ENTERED]
    for words in ("events               3", "ticks                2", "no_key 1", "wrong_key 1"):
        assert words in result.output, result.output


def test_steps_end_where_the_log_does(tmp_path: Path) -> None:
    result, _ = replayed(tmp_path, [at(0, "Added"), at(30, None)], "--step", "20s")
    assert "2026-01-01T12:00:20.000Z  events 1  waiting 1" in result.output


def test_producers_times_are_said_to_be_uncertain_and_no_time_at_all_is_an_error(tmp_path: Path) -> None:
    result, _ = replayed(tmp_path, [at(0, "Added", create_time=True)])
    assert "1 records have their producers' times" in result.output
    result, _ = replayed(tmp_path, [at(0, "Added") | {"broker_ms": -1}])
    assert result.exit_code == 1
    assert "has no broker time" in result.stderr


def test_live_takes_no_services(tmp_path: Path) -> None:
    for options in (("--redis", "redis://h"), ("--broker", "h:1"), ("--topic",)):
        assert replayed(tmp_path, [at(0, "Added")], *options)[0].exit_code == 2
