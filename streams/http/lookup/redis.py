"""What is answered while Redis does not answer."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from rules.errors import AccessError, ServiceError
from streams.http.errors import later

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)


@contextlib.contextmanager
def redis_or_503() -> Iterator[None]:
    """Have a store that does not answer answered with 503; one that refuses us is somebody's to mend, and logged."""
    try:
        yield
    except ServiceError as error:
        if isinstance(error, AccessError):
            log.warning("%s", error)
        raise later(503, "redis_away", "Redis does not answer; come again") from error
