"""What the demo of models has seen so far: their quality week by week, and who is about to be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import orjson

from rules.dates import parse_timestamp
from rules.errors import ReplayError
from state.models.snapshot import decode, encode
from streams.demo.cdnow import FOLDER
from streams.insight.book import Book, Point

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rules.ruleset import Ruleset
    from streams.demo.cdnow import Purchase
    from streams.insight.book import Entry

RULES: Final = FOLDER / "models.yaml"
LOSING: Final = "losing_valuable"
_YEAR_MS: Final = 365 * 86_400_000
_SHOWN_A_WEEK: Final = 3


class Lost(NamedTuple):
    """A customer about to be lost: since when, and why, what they brought in a year (dollars), and their last order.

    `persona` is the cluster's id, empty where the model has not said one. Instants are UTC milliseconds.
    """

    customer: str
    since_ms: int
    because: Sequence[dict[str, Any]]
    spent: float
    last_order_ms: int
    persona: str


class LearningStory:
    """Collects versions of models, and changes of segments."""

    def __init__(self, ruleset: Ruleset) -> None:
        """Begin before the first event."""
        self.book = Book(ruleset.models, "the demo")
        self.at_ms = 0
        self.events = 0
        self.entered: list[dict[str, Any]] = []
        """This week's changes into the segment of those about to be lost, the newest last."""
        self._coming: list[bytes] = []
        self._learned: dict[str, bytes] = {}
        self._losing: dict[str, bytes] = {}
        self._persona: dict[str, str] = {}
        self._titles = {segment.key: segment.title for segment in ruleset.segments}
        self._versions: list[bytes] = []
        self._personas = {f"{model.key}." for model in ruleset.models if model.kind == "clusters"}

    @property
    def entries(self) -> list[Entry]:
        """The models, each with its course by week of the shop's time."""
        return self.book.entries

    @property
    def losing(self) -> int:
        """How many are about to be lost now."""
        return len(self._losing)

    @property
    def title(self) -> str:
        """What the segment of those about to be lost is called."""
        return self._titles.get(LOSING, LOSING)

    def learned(self, model: str, value: bytes) -> None:
        """Take a version of a model; the newest of a week is what is shown of it."""
        self._learned[model] = value

    def changed(self, name: str, move: str, value: bytes) -> None:
        """Note who is about to be lost, and who has which persona."""
        if name == LOSING:
            customer = orjson.loads(value)["customer_id"]
            if move == "entered":
                self._losing[customer] = value
                self._coming.append(value)
            else:
                self._losing.pop(customer, None)
        elif move == "entered" and any(name.startswith(prefix) for prefix in self._personas):
            self._persona[orjson.loads(value)["customer_id"]] = name.partition(".")[2]

    def week(self, at_ms: int, events: int) -> None:
        """Close a week."""
        self.at_ms, self.events = at_ms, events
        coming, self._coming = self._coming, []
        self.entered = [orjson.loads(value) for value in coming[-_SHOWN_A_WEEK:]]
        learned, self._learned = self._learned, {}
        for value in learned.values():
            snapshot = msgspec.structs.replace(decode(value), created_at=at_ms, learner={})
            self._versions.append(encode(snapshot))
            self.book.take(snapshot)
        for entry in self.book.entries:
            if entry.snapshot is not None and entry.key not in learned:
                entry.course.append(Point(at_ms, entry.snapshot.samples, entry.metrics["quality"]))

    def write(self, path: Path) -> None:
        """Write each week's newest versions, as `segue models --file` reads them, with the instants of the shop's time.

        What only learning needs is left out: it is the larger part by far. Raises `ReplayError`.
        """
        try:
            path.write_bytes(b"".join(version + b"\n" for version in self._versions))
        except OSError as error:
            message = f"{path}: cannot be written: {error.strerror}; choose another folder with --out"
            raise ReplayError(message) from error

    def personas(self) -> dict[str, int]:
        """Return how many customers each cluster has."""
        sizes: dict[str, int] = {}
        for cluster in self._persona.values():
            sizes[cluster] = sizes.get(cluster, 0) + 1
        return dict(sorted(sizes.items()))

    def lost(self, purchases: Sequence[Purchase]) -> list[Lost]:
        """Return who is about to be lost at the end, those first who brought most in the last year."""
        spent: dict[str, float] = dict.fromkeys(self._losing, 0.0)
        newest: dict[str, int] = {}
        for purchase in purchases:
            if purchase.customer in spent and purchase.at_ms <= self.at_ms:
                newest[purchase.customer] = max(purchase.at_ms, newest.get(purchase.customer, 0))
                if purchase.at_ms > self.at_ms - _YEAR_MS:
                    spent[purchase.customer] += purchase.total
        return sorted(self._lost(spent, newest), key=lambda one: (-one.spent, one.customer))

    def _lost(self, spent: dict[str, float], newest: dict[str, int]) -> Iterator[Lost]:
        for customer, value in self._losing.items():
            change = orjson.loads(value)
            yield Lost(
                customer,
                parse_timestamp(change["at"]) or 0,
                change["because"],
                round(spent[customer], 2),
                newest.get(customer, 0),
                self._persona.get(customer, ""),
            )
