"""Where versions of models are read: a file that a replay wrote, or the topic of the running app."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from rules.errors import ReplayError, StateError
from rules.load import load_ruleset
from state.models.snapshot import MOST_BYTES, decode
from state.redis import RedisStore
from streams.definitions import read_active
from streams.insight.book import Book
from streams.reader import TopicReader
from streams.redis_access import redis_url
from streams.replay.lines import LinesFile
from streams.topics import Topics, count_partitions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rules.models.definition import AnyModel
    from streams.settings import Settings

log = logging.getLogger(__name__)

_PATIENCE_S: Final = 5.0
"""How long the store is waited for: a person sits in front of it."""


def book_of_file(path: Path, rules: Path | None) -> Book:
    """Read a file of snapshots, one a line; `rules` are the definitions that they are of, None where not at hand.

    Raises
    ------
    ReplayError
        if the file cannot be read, or a line is no snapshot.
    DefinitionError
        if the rules are wrong.
    """
    book = Book(None if rules is None else load_ruleset(rules).models, str(path))
    with LinesFile(path, MOST_BYTES) as lines:
        for number, line in enumerate(lines, 1):
            try:
                book.take(decode(line))
            except StateError:
                message = (
                    f"{path}:{number}: is no version of a model; name a file that "
                    "`segue replay --in-memory --models FILE` wrote"
                )
                raise ReplayError(message) from None
    return book


async def book_of_topic(settings: Settings) -> Book:
    """Read the topic `models` of the app as it stands; titles and what warms up come from the active ruleset.

    Raises
    ------
    StateError
        if the app has no ruleset, or one without models.
    ServiceError
        if broker or store cannot be asked, or there is no such topic.
    """
    topic = Topics.named(settings).models
    book = Book(await _models(settings), f"the topic {topic}")
    if not await count_partitions(settings, topic):
        return book
    async with TopicReader(settings, topic, deadline_s=settings.takeover_deadline / 1000) as reader:
        async for records in reader.to_end():
            for record in records:
                _take(book, (record.key or b"").decode(errors="replace"), record.value)
    return book


def _take(book: Book, key: str, value: bytes | None) -> None:
    if not value:
        book.forget(key)
        return
    try:
        book.take(decode(value))
    except StateError as error:
        log.warning("model %s: %s", key, error)


async def _models(settings: Settings) -> Sequence[AnyModel]:
    if settings.rules is not None:
        return load_ruleset(settings.rules).models
    store = RedisStore(redis_url(settings), settings.app_id, patience_s=_PATIENCE_S)
    await store.start()
    try:
        active = await store.active_ruleset()
    finally:
        await store.close()
    if active is None:
        message = (
            f"no ruleset is active in app {settings.app_id!r} at its Redis; are SEGUE_REDIS and SEGUE_APP_ID those of "
            "the workers? Or name what to read: --file FILE, or --rules PATH"
        )
        raise StateError(message)
    return read_active(active).models
