"""What is answered while Redis does not answer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rules.errors import ServiceError
from streams.http.errors import later

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def redis_or_503() -> Iterator[None]:
    """Have a store that does not answer answered with 503."""
    try:
        yield
    except ServiceError as error:
        raise later(503, "redis_away", "Redis does not answer; come again") from error
