"""One tenure's profiles: those it has read, as they stand after its last commit or in the chunk under way."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from state.engine import Engine
    from state.profile import Profile
    from state.store import Store
    from streams.counters import Counters


class Profiles:
    """A bounded cache in front of the store.

    A profile is changed in place. What is in here is right only as long as each change is committed: where a commit
    fails the tenure ends, and its profiles with it.
    """

    def __init__(self, store: Store, engine: Engine, partition: int, bound: int) -> None:
        """`bound` is the number of customers kept between chunks."""
        self._store = store
        self._engine = engine
        self._partition = partition
        self._bound = bound
        self.known: dict[str, Profile] = {}
        self.unsaved: set[str] = set()
        """Customers in `known` of whom the store has nothing yet."""
        self.hits = self.misses = 0
        """How many of the customers that were asked for were known, and how many the store was asked for."""

    async def load(self, customers: Collection[str]) -> None:
        """See to it that all these are in `known`."""
        missing = [customer for customer in customers if customer not in self.known]
        self.hits += len(customers) - len(missing)
        self.misses += len(missing)
        if not missing:
            return
        for customer, data in zip(missing, await self._store.load(self._partition, missing), strict=True):
            if data is None:
                self.known[customer] = self._engine.new(customer)
                self.unsaved.add(customer)
            else:
                self.known[customer] = self._engine.decode(customer, data)

    def count(self, counters: Counters) -> None:
        """Hand over what was found here and what was not, and begin anew."""
        counters.cache_hits += self.hits
        counters.cache_misses += self.misses
        self.hits = self.misses = 0

    async def reload(self, customer: str) -> Profile:
        """Replace one profile by what the store has."""
        del self.known[customer]
        self.unsaved.discard(customer)
        await self.load([customer])
        return self.known[customer]

    def settle(self, customers: Iterable[str]) -> None:
        """After a commit: these were saved and used last; forget the longest unused ones beyond the bound."""
        known = self.known
        for customer in customers:
            known[customer] = known.pop(customer)
            self.unsaved.discard(customer)
        for customer in list(islice(known, max(0, len(known) - self._bound))):
            del known[customer]
            self.unsaved.discard(customer)
