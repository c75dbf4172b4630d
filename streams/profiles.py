"""One tenure's profiles: those it has read or written, as the store has them since the last commit."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from state.engine import Engine
    from state.profile import Profile
    from state.store import Store
    from streams.counters import Counters


class Profiles:
    """A bounded cache in front of the store.

    It keeps bytes and not objects: some 600 of them in one place where a profile is fifty objects in as many places,
    which no processor's cache holds any more when the customer's next event comes. To read them anew costs less.
    """

    def __init__(self, store: Store, engine: Engine, partition: int, bound: int) -> None:
        """`bound` is the number of customers kept between chunks."""
        self._store = store
        self._engine = engine
        self._partition = partition
        self._bound = bound
        self.known: dict[str, bytes | None] = {}
        """Customer -> the stored profile, None where the store has nothing yet."""
        self.hits = self.misses = 0
        """How many of the customers that were asked for were known, and how many the store was asked for."""

    async def load(self, customers: Collection[str]) -> None:
        """See to it that all these are in `known`."""
        missing = [customer for customer in customers if customer not in self.known]
        self.hits += len(customers) - len(missing)
        self.misses += len(missing)
        if missing:
            found = await self._store.load(self._partition, missing)
            self.known.update(zip(missing, found, strict=True))

    def count(self, counters: Counters) -> None:
        """Hand over what was found here and what was not, and begin anew."""
        counters.cache_hits += self.hits
        counters.cache_misses += self.misses
        self.hits = self.misses = 0

    def open(self, customer: str) -> Profile:
        """Return the profile of a customer in `known`, to be changed at will: it is nobody else's.

        Raises `StateError` or `UnknownFormat` where the store holds no profile.
        """
        data = self.known[customer]
        return self._engine.new(customer) if data is None else self._engine.decode(customer, data)

    def unsaved(self, customers: Iterable[str]) -> int:
        """Return how many of these, all in `known`, the store has nothing of."""
        return sum(self.known[customer] is None for customer in customers)

    def settle(self, saved: Mapping[str, bytes]) -> None:
        """After a commit: these were saved, and used last; forget the longest unused ones beyond the bound."""
        known = self.known
        for customer, data in saved.items():
            known.pop(customer)
            known[customer] = data
        for customer in list(islice(known, max(0, len(known) - self._bound))):
            del known[customer]
