"""A customer as the engine knows them: small, mutable, and bound to the slots of one compiled ruleset."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

from rules.checks.base import Customer, Level
from rules.features import NEVER

REMEMBERED_IDS: Final = 256
ID_BYTES: Final = 8
NO_CLOCK: Final = -(1 << 62)
"""The clock (ms) of a customer with no applied event: earlier than any."""


class Profile(Customer):
    """Everything kept of one customer.

    `clock` (ms) is the newest of their applied events' times and of the instants of their changes. `slots` has one
    feature state for each feature of the ruleset, `levels` and `dues` one for each unit that has one. `spare` holds
    states of features that the ruleset does not use, with the clock at which they fell out of use; `gone` the levels of
    units that it no longer has. `version` is the ruleset the levels stand under. `scores` has what each model last
    said: [the score, the snapshot's version, the model's definition]. `models` has by definition what
    `state.models.sampling` keeps; `released` the samples whose label became known, until whoever saves the profile
    takes them.
    """

    __slots__ = (
        "clock", "due", "dues", "gone", "ids", "models", "packed_levels", "released", "rev", "seq", "spare",
        "trait_times", "version",
    )  # fmt: skip

    def __init__(self, customer: str, version: str, slots: int) -> None:
        """Make the profile of a customer with no event yet."""
        super().__init__(customer, slots)
        self.version: str = version
        self.clock: int = NO_CLOCK
        self.seq: int = 0
        self.rev: int = 0
        self.ids = bytearray()
        self.trait_times: dict[str, int] = {}
        self.models: dict[str, list[Any]] = {}
        self.released: list[Any] = []
        self.packed_levels: Any = None
        """The levels as stored, None since they changed: most events change none, and all are saved."""
        self.dues: dict[int, int] = {}
        """Unit -> when it is due (ms), of those that are."""
        self.due: int = NEVER
        self.spare: dict[int, list[Any]] = {}
        self.gone: list[tuple[str | None, Level]] = []

    def knows(self, message: bytes) -> bool:
        """Return whether this short hash is among those of the newest accepted messages."""
        found = self.ids.find(message)
        while found >= 0 and found % ID_BYTES:
            found = self.ids.find(message, found + 1)
        return found >= 0

    def remember(self, message: bytes) -> None:
        """Keep the short hash of an accepted message, forgetting the oldest beyond 256."""
        self.ids += message
        if len(self.ids) > REMEMBERED_IDS * ID_BYTES:
            del self.ids[:ID_BYTES]


_new_hash: Final = blake2b(digest_size=ID_BYTES).copy
"""A copy of an empty one takes less than to make another one."""


def short_hash(message_id: str) -> bytes:
    """Return the 8 bytes that a message id is remembered by."""
    digest = _new_hash()
    digest.update(message_id.encode())
    return digest.digest()
