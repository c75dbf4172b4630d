"""`segue export`: who is in a segment, as a file."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import orjson
import typer

from rules.dates import format_ms
from rules.errors import SegueError
from state.engine import Engine
from state.redis import RedisStore
from streams.cli.frame import TerminalReport, run
from streams.cli.options import PATIENCE_S, AppIdOption, RedisOption, settings_of
from streams.definitions import read_active
from streams.explain import segments_of
from streams.http.lookup.catalogue import unlabelled
from streams.members import members_of, one_meant
from streams.redis_access import redis_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from state.store import Store
    from streams.explain import Named
    from streams.members import Member
    from streams.settings import Settings

    Write = Callable[[Member], None]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-][\d ./()-]*(?:[eE][+-]?\d+)?", re.ASCII)

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="The segment's key, or `segmentation.segment`.", show_default=False)
]
FormatOption = Annotated[
    Literal["csv", "jsonl"], typer.Option("--format", help="csv: a header and a row each. jsonl: an object a line.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write there. [default: stdout]", show_default=False)
]


def export(
    key: KeyArgument,
    *,
    format: FormatOption = "csv",
    output: OutputOption = None,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
) -> None:
    """Write who is in a segment: customer_id, since when, and the traits that views show.

    In CSV the traits of SEGUE_VIEW_TRAITS are columns, in its order; one that is no text is JSON, one that is missing
    is empty, and before what a spreadsheet would take for a formula stands a ' (JSON lines have it as it is). It scans
    Redis beside the workers' writes: everybody who is in from the beginning to the end is there, once; who comes or
    goes meanwhile may be.
    """
    run(_export(settings_of(redis=redis, app_id=app_id), key, format, output))


async def _export(settings: Settings, key: str, kind: str, output: Path | None) -> None:
    store = RedisStore(redis_url(settings), settings.app_id, patience_s=PATIENCE_S)
    as_of, count = format_ms(time.time_ns() // 1_000_000), 0
    try:
        sizes = await store.sizes(range(settings.partitions))
        one = await _segment(store, settings, sizes, key)
        with contextlib.ExitStack() as stack:
            write = _writer(stack.enter_context(_opened(output)), kind, settings.view_traits)
            once = stack.enter_context(contextlib.closing(_Once()))
            report = stack.enter_context(TerminalReport())
            report.begin(one.name, sizes.get(one.name, 0))
            async for member in members_of(store, one):
                if once.is_new(member.customer_id):
                    write(member)
                    count += 1
                    report.progress(count)
    finally:
        await store.close()
    customers = "1 customer" if count == 1 else f"{count:,} customers"
    typer.echo(f"{one.name}: {customers}, each as of {as_of} or later", err=True)


async def _segment(store: Store, settings: Settings, sizes: Mapping[str, int], key: str) -> Named:
    """Return the segment that a key means; raises `SegueError`."""
    active = await store.active_ruleset()
    if active is None:
        message = "no ruleset is active yet: a worker's start makes one so, or `segue apply`"
        raise SegueError(message)
    ruleset = read_active(active)
    engine = Engine(ruleset, max_late_ms=settings.max_late)
    return one_meant([*segments_of(engine), *unlabelled(engine, sizes)], key)


class _Once:
    """Who was written already: on disk, for there may be millions."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._base = sqlite3.connect("")  # a file of its own, gone when it is closed; memory holds 2 MB of it
        self._base.execute("CREATE TABLE seen (customer BLOB PRIMARY KEY) WITHOUT ROWID")

    def close(self) -> None:
        """Forget them."""
        self._base.close()

    def is_new(self, customer: str) -> bool:
        """Whether it is the first time that this one is asked for."""
        return self._base.execute("INSERT OR IGNORE INTO seen VALUES (?)", (customer.encode(),)).rowcount > 0


def _writer(file: TextIO, kind: str, traits: Sequence[str]) -> Write:
    if kind == "jsonl":
        return lambda member: _write_line(file, member._asdict())
    table = csv.writer(file, lineterminator="\n")
    table.writerow(("customer_id", "since", *traits))
    return lambda member: _write_row(table, member, traits)


def _write_line(file: TextIO, content: Mapping[str, Any]) -> None:
    file.write(orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE).decode())


def _write_row(table: Any, member: Member, traits: Sequence[str]) -> None:  # csv does not name its writer's class
    cells = (_cell(member.traits.get(name)) for name in traits)
    table.writerow((_inert(member.customer_id), member.since, *map(_inert, cells)))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _inert(text: str) -> str:
    """Return a cell that no spreadsheet works out: whoever sends events could else have theirs run somebody's formula.

    A number, or a telephone number, may begin with its sign.
    """
    return text if not text.startswith(_FORMULA) or _NUMBER.fullmatch(text) else f"'{text}"


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        wrapped = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield wrapped
        finally:
            wrapped.detach()
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}; name another --output"
        raise SegueError(message) from error
