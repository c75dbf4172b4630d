"""`segue dump`: the topic of events as a file, with the broker's times."""

from __future__ import annotations

import contextlib
import gzip
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, cast

import typer

from rules.errors import ReplayError
from streams.cli.frame import run
from streams.cli.options import BrokerOption, TopicPrefixOption, settings_of
from streams.reader import TopicReader
from streams.replay.dump import FORMAT, dump_line
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.settings import Settings

OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write there; gzipped where the name ends in .gz. [default: stdout]"),
]
TopicOption = Annotated[
    str | None, typer.Option("--topic", metavar="NAME", help="Another topic than the app's own topic of events.")
]


def dump(
    out: OutOption = None,
    topic: TopicOption = None,
    broker: BrokerOption = None,
    topic_prefix: TopicPrefixOption = None,
) -> None:
    """Write the topic of events, as it stands now, to a file that `segue replay --live` reads."""
    settings = settings_of(broker=broker, topic_prefix=topic_prefix)
    with _open(out) as file:
        count = run(_dump(settings, topic or Topics.named(settings).events, file))
    typer.echo(f"{count:,} records", err=True)


dump.__doc__ = f"{dump.__doc__}\n{FORMAT}"


async def _dump(settings: Settings, topic: str, file: IO[bytes]) -> int:
    count = 0
    async with TopicReader(settings, topic) as reader:
        async for records in reader.to_end():
            file.writelines(map(dump_line, records))
            count += len(records)
    return count


@contextlib.contextmanager
def _open(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        yield sys.stdout.buffer
        return
    try:
        with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
            yield cast("IO[bytes]", file)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}; name a file that can be"
        raise ReplayError(message) from error
