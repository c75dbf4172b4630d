"""The file format of a log with the broker's times: one record a line, as JSON (`segue dump --help` describes it)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

from rules.errors import ReplayError
from streams.events import TICK_HEADER
from streams.replay.lines import LinesFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.reader import Record

MOST_BYTES_A_LINE = 1 << 28

FORMAT = """
One record a line, as a JSON object:

    {"partition": 3, "offset": 17, "broker_ms": 1767268800123, "key": "c42", "value": "{…}", "headers": [["a", "b"]]}

`broker_ms` is the broker's time of the record in milliseconds since 1970-01-01T00:00Z; `"create_time": true` beside it
says that it is the producer's. What is no UTF-8 stands as `key_base64`, `value_base64`, or as a header
`["a", {"base64": "…"}]`; a key or value that is absent is null. A tick is a record with no key, an empty value and the
header `segue-tick`. Records of one partition stand in their order; those of several may be mixed.
"""


class LogRecord(NamedTuple):
    """One record of a log; `broker_ms` is UTC milliseconds, `create_time` says that its producer gave it."""

    partition: int
    broker_ms: int
    create_time: bool
    key: bytes | None
    value: bytes | None
    tick: bool


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    partition: int
    broker_ms: int
    offset: int | None = None
    create_time: bool = False
    key: str | None = None
    value: str | None = None
    key_base64: str | None = None
    value_base64: str | None = None
    headers: list[tuple[str, str | dict[str, str] | None]] = []


_decode = msgspec.json.Decoder(_Line).decode


def dump_line(record: Record) -> bytes:
    """Return the line of a record that was read from the topic."""
    tree: dict[str, Any] = {"partition": record.partition, "offset": record.offset, "broker_ms": record.timestamp}
    if record.timestamp_type == 0:
        tree["create_time"] = True
    for name, data in (("key", record.key), ("value", record.value)):
        text = _text(data)
        if data is not None and text is None:
            tree[f"{name}_base64"] = base64.b64encode(data).decode()
        else:
            tree[name] = text
    if record.headers:
        tree["headers"] = [[name, _header(data)] for name, data in record.headers]
    return orjson.dumps(tree, option=orjson.OPT_APPEND_NEWLINE)


def read_dump(lines: LinesFile) -> Iterator[LogRecord]:
    """Yield the records of a dump; raises `ReplayError` at a line that is none."""
    for number, data in enumerate(lines, 1):
        try:
            yield _record(_decode(data))
        except (msgspec.DecodeError, ValueError) as error:
            message = f"{lines.path}: record {number} is no line of a dump: {error}; `segue dump --help` has the format"
            raise ReplayError(message) from None


def open_dump(path: Path) -> LinesFile:
    """Open a dump; raises `ReplayError`."""
    return LinesFile(path, MOST_BYTES_A_LINE)


def _record(line: _Line) -> LogRecord:
    key, value = _bytes(line.key, line.key_base64), _bytes(line.value, line.value_base64)
    tick = key is None and value == b"" and any(name == TICK_HEADER for name, _ in line.headers)
    return LogRecord(line.partition, line.broker_ms, line.create_time, key, value, tick)


def _bytes(text: str | None, encoded: str | None) -> bytes | None:
    if encoded is None:
        return None if text is None else text.encode()
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        message = f"{encoded[:40]!r} is no base64 ({error})"
        raise ValueError(message) from None


def _text(data: bytes | None) -> str | None:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return None


def _header(data: bytes | None) -> str | dict[str, str] | None:
    text = _text(data)
    return {"base64": base64.b64encode(data).decode()} if data is not None and text is None else text
