"""Files of events: what is a record, and what a file may do to whoever reads it."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rules.errors import ReplayError
from streams.events import MAX_BYTES
from streams.replay.changes_file import ChangesFile
from streams.replay.lines import LinesFile
from streams.replay.measure import measure

if TYPE_CHECKING:
    from collections.abc import Callable


def records(path: Path, content: bytes) -> list[bytes]:
    path.write_bytes(content)
    with LinesFile(path) as lines:
        return list(lines)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n \n\t\r\n", []),
        (b'{"a":1}\n\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
        (b'{"a":1}\r\n{"b":2}', [b'{"a":1}', b'{"b":2}']),
        (b"\xff\xfe\n{", [b"\xff\xfe", b"{"]),
    ],
    ids=["empty", "blank", "blank between", "CRLF and no end", "no UTF-8"],
)
def test_a_record_is_a_line_that_is_not_blank(file: Path, content: bytes, expected: list[bytes]) -> None:
    assert records(file, content) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_record_of_just_the_most_bytes_stays_whole_and_the_next_size_stays_too_large(file: Path, end: bytes) -> None:
    for size in (MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1, MAX_BYTES + 2, MAX_BYTES + 3, 3 * MAX_BYTES):
        first, *rest = records(file, b"x" * size + end + (b"next\n" if end else b""))
        assert rest == ([b"next"] if end else [])
        assert first == b"x" * size if size <= MAX_BYTES else len(first) > MAX_BYTES


def test_a_line_however_long_takes_no_more_memory_than_the_longest_event(file: Path) -> None:
    size = 32 << 20
    file.write_bytes(b"x" * size + b"\nnext\n")
    tracemalloc.start()
    try:
        with LinesFile(file) as lines:
            first, second = lines
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(first) > MAX_BYTES, second) == (True, b"next")
    assert peak < size / 32


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_a_byte_order_mark_in_front_of_the_file_is_no_part_of_it(file: Path, pack: Callable[[bytes], bytes]) -> None:
    content = pack(b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n")
    assert records(file, content) == [b"{}", b"\xef\xbb\xbf{}"]


def test_gzip_is_known_by_its_first_bytes_whatever_the_name(file: Path) -> None:
    assert records(file, gzip.compress(b"one\ntwo\n")) == [b"one", b"two"]


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_gzip_file_that_ends_too_early_is_an_error_with_the_line(file: Path, keep: float) -> None:
    whole = gzip.compress(b"".join(b"%d\n" % number for number in range(100_000)))
    with pytest.raises(ReplayError, match=r"events\.jsonl:\d+: cannot be read from here on"):
        records(file, whole[: int(len(whole) * keep)])


def test_a_gzip_file_with_broken_bytes_is_an_error(file: Path) -> None:
    whole = bytearray(gzip.compress(b"".join(b"%d\n" % number for number in range(100_000))))
    whole[len(whole) // 2] ^= 0xFF
    with pytest.raises(ReplayError, match="cannot be read"):
        records(file, bytes(whole))


def test_a_file_that_is_not_there_or_a_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(ReplayError, match=str(path)):
            LinesFile(path)


def test_the_position_reaches_the_size(file: Path) -> None:
    file.write_bytes(gzip.compress(b"one\n" * 1000))
    with LinesFile(file) as lines:
        assert lines.position_bytes == 0
        assert len(list(lines)) == 1000
        assert lines.position_bytes == lines.size_bytes == file.stat().st_size


def stamped(*seconds: int) -> list[bytes]:
    return [
        b'{"type":"page","userId":"u","timestamp":"2026-01-01T00:%02d:%02dZ"}' % divmod(second, 60)
        for second in seconds
    ]


@pytest.mark.parametrize(
    ("seconds", "lag_s"),
    [((), 0), ((5,), 0), ((1, 2, 2, 3), 0), ((1, 9, 4, 8, 5), 5), ((100, 40, 120, 70, 130), 60)],
)
def test_the_lag_is_the_largest_step_back_behind_the_newest_so_far(seconds: tuple[int, ...], lag_s: int) -> None:
    found = measure(stamped(*seconds))
    assert (found.records, found.lag_ms) == (len(seconds), lag_s * 1000)


def test_what_is_no_event_has_no_part_in_the_lag() -> None:
    broken = [b"{", b'{"type":"page","userId":"u","timestamp":"1970-01-01T00:00:00"}', b'{"type":"page","userId":"u"}']
    assert measure([*stamped(9), *broken, *stamped(8)]).lag_ms == 1000


def test_a_full_disk_is_said_with_the_file() -> None:
    full = Path("/dev/full")
    with pytest.raises(ReplayError, match=r"/dev/full: the changes cannot be written: No space left"):  # noqa: SIM117
        with ChangesFile(full, "segue", None) as out:
            out.write_value(b"{}")
