"""Kafka's rights by name, and what is said of one that is missing."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from streams.broker_errors import who

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.settings import Settings


class Right(IntEnum):
    """Kafka's AclOperation. Who may read or write may also describe."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10

    def __str__(self) -> str:
        """Return the name as kafka-acls takes it."""
        return self.name.title().replace("_", "")


def not_allowed(settings: Settings, topic: str, missing: Collection[Right]) -> str:
    """Return what is said of rights that are missing, with the command that gives them."""
    operations = " ".join(f"--operation {right}" for right in missing)
    return (
        f"{who(settings)} has not the right to {' and '.join(map(str, missing))}. Run kafka-acls --add --topic {topic} "
        f"{operations} --allow-principal User:{settings.broker_user or 'NAME'}"
    )
