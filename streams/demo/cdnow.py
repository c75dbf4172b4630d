"""The CDNOW purchases as events: 23,570 customers of a music shop, January 1997 to June 1998.

`examples/cdnow/ORIGIN.md` says where they are from.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from rules.dates import format_ms, parse_date
from rules.errors import ReplayError

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2] / "examples" / "cdnow"
DATA = FOLDER / "CDNOW_master.txt.gz"
RULES = FOLDER / "rules.yaml"
CUSTOMERS = 23_570

_DAY_MS = 86_400_000
_COLUMNS = 4


class Purchase(NamedTuple):
    """One line of the data, `number` counting from 1; `at_ms` is UTC milliseconds, `total` US dollars."""

    at_ms: int
    number: int
    customer: str
    quantity: int
    total: float


def purchases(path: Path = DATA) -> list[Purchase]:
    """Return all purchases, the oldest first.

    Raises
    ------
    ReplayError
        if the file is not there or is another one.
    """
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            next(lines)
            return sorted(_purchase(number, line) for number, line in enumerate(lines, 1))
    except FileNotFoundError:
        message = (
            f"{path}: the demo's purchases are not here. They come with segue's repository, not with the installed "
            "package: run the demo in a clone of it, or name the files with --data and --rules"
        )
        raise ReplayError(message) from None
    except (OSError, EOFError, ValueError, StopIteration) as error:
        message = f"{path}: cannot be read as the CDNOW purchases: {error}; take the file anew from the repository"
        raise ReplayError(message) from error


def event_of(purchase: Purchase) -> dict[str, Any]:
    """Return the purchase as an `Order Completed` event of the Segment tracking spec."""
    return {
        "type": "track",
        "messageId": f"cdnow-{purchase.number}",
        "userId": purchase.customer,
        "event": "Order Completed",
        "timestamp": format_ms(purchase.at_ms),
        "properties": {"total": purchase.total, "quantity": purchase.quantity},
    }


def event_lines(path: Path = DATA) -> Iterator[bytes]:
    """Yield one JSON line a purchase, the oldest first; raises `ReplayError`."""
    return (orjson.dumps(event_of(purchase)) + b"\n" for purchase in purchases(path))


def _purchase(number: int, line: str) -> Purchase:
    columns = line.split()
    day_ms = parse_date(f"{columns[1][:4]}-{columns[1][4:6]}-{columns[1][6:]}") if len(columns) == _COLUMNS else None
    if day_ms is None:
        message = f"line {number + 1} has no customer, date, number of CDs and dollars: {line.strip()!r}"
        raise ValueError(message)
    return Purchase(day_ms + _time_of_day_ms(number), number, columns[0], int(columns[2]), float(columns[3]))


def _time_of_day_ms(number: int) -> int:
    """Return a time of day that looks arbitrary: the data has none, and is not to crowd at midnight."""
    seconds = int.from_bytes(hashlib.sha256(b"%d" % number).digest()[:8]) % (_DAY_MS // 1000)
    return seconds * 1000
