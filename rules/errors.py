"""Every exception that segue raises on purpose.

SegueError
├── DefinitionError      the definitions are wrong; holds every Problem found in one run
├── EventRejected        one record cannot be applied; it goes to the rejected topic
├── SettingsError        a setting is unknown or its value is none
├── StateError           what is stored cannot be right or cannot be read
│   ├── Fenced           another owner (or a newer ruleset) has taken this partition
│   └── UnknownFormat    a stored profile or ruleset has a version this code does not know
├── ServiceError         a broker or a store refuses, or cannot be reached
│   ├── AccessError      it is there, and does not let us: user, password, certificate or right
│   └── TopicError       a topic is missing or not as it must be
└── ReplayError          a replay cannot be done as asked
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class SegueError(Exception):
    """The root: what a person can act on; its text names the thing, the place and the remedy."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault (or warning) of a definitions file, with its place and its remedy."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        """Return `file:line: path: message`, as editors understand it."""
        where = f"{self.file}:{self.line}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class DefinitionError(SegueError):
    """The definitions are wrong; `problems` has all that was found in one run."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep every problem; the text is one line each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class EventRejected(SegueError):
    """One record cannot be applied. `reason` is a short stable word, `detail` says what and how to mend it."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason (for headers and counters) apart from the detail (for people)."""
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class SettingsError(SegueError):
    """A setting is unknown, or its value is none; the text names it."""


class StateError(SegueError):
    """What is stored cannot be right, or cannot be read."""


class Fenced(StateError):
    """Another owner has taken this partition, or a newer ruleset is active: nothing was written."""


class UnknownFormat(StateError):
    """A stored profile or ruleset has a version this code does not know."""


class ServiceError(SegueError):
    """A broker or a store refuses, or cannot be reached."""


class AccessError(ServiceError):
    """A broker or a store is there and does not let us in, or not do this: waiting mends nothing."""


class TopicError(ServiceError):
    """A topic is missing, or is not as it must be."""


class ReplayError(SegueError):
    """A replay cannot be done as asked."""
