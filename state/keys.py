"""The names of an app's keys in Redis.

Keys of one partition carry the hash tag `{partition}`: on a cluster they share a slot, so one script may touch all of
them. Customer ids stand last, so that they may contain anything.
"""

from __future__ import annotations

import re

from rules.errors import SettingsError

FORM_FIELD = "form:"
"""What stands before the names of forms in a partition's head."""

_GLOB = re.compile(r"([*?\[\]^\\-])")


class Keys:
    """Every key name of one app."""

    def __init__(self, app: str) -> None:
        """Refuse an id that would make one app's keys look like another's, or move the hash tag."""
        if not app or any(character in ":{}" or character.isspace() for character in app):
            message = f"SEGUE_APP_ID {app!r}: an app id is not empty and holds no colon, brace or space; write segue"
            raise SettingsError(message)
        self.app = app
        self.rules = f"{app}:rules"
        self.access = f"{app}:keys"
        self.token_secrets = f"{app}:token-secrets"
        self.webhooks = f"{app}:webhooks"
        self.view_prefix = f"{app}:customer:"
        self.view_pattern = f"{escape_glob(self.view_prefix)}*"
        self.everything = f"{escape_glob(app)}:*"

    def scan_pattern(self, partition: int) -> str:
        """Return the pattern of all profiles of the partition, and nothing else."""
        return f"{escape_glob(self.profile_prefix(partition))}*"

    def profile_prefix(self, partition: int) -> str:
        """Return what a customer's id is appended to."""
        return f"{self.app}:{{{partition}}}:c:"

    def head(self, partition: int) -> str:
        """Return the key of the hash with epoch, number, token, ruleset, offset, marker, topics and forms."""
        return f"{self.app}:{{{partition}}}:head"

    def due(self, partition: int) -> str:
        """Return the key of the sorted set customer -> due instant in milliseconds."""
        return f"{self.app}:{{{partition}}}:due"

    def outbox(self, partition: int) -> str:
        """Return the key of the list of changes that may not have been published."""
        return f"{self.app}:{{{partition}}}:outbox"

    def sizes(self, partition: int) -> str:
        """Return the key of the hash segment -> number of customers."""
        return f"{self.app}:{{{partition}}}:sizes"

    def views(self, partition: int) -> str:
        """Return the key of the set of customers whose view is yet to be written."""
        return f"{self.app}:{{{partition}}}:views"

    def never(self, partition: int) -> str:
        """Return a key that there never is, which scripts name beside those that they write to.

        While a slot of a cluster is moved key by key, a script whose keys are all still there runs, and fails midway
        where it comes to a key that it has emptied: for the server, that one has moved. One that names a key which is
        not there is refused before it begins (TRYAGAIN).
        """
        return f"{self.app}:{{{partition}}}:never"

    def webhooks_of(self, partition: int) -> str:
        """Return the key of the hash with the epoch of who delivers webhooks, and the lanes that there are."""
        return f"{self.app}:{{{partition}}}:webhooks"

    def webhook_lane(self, partition: int, endpoint: str, generation: int, part: str) -> str:
        """Return the key of one part of what waits for an endpoint."""
        return f"{self.webhooks_of(partition)}:{endpoint}:{generation}:{part}"

    def webhook_dead(self, partition: int, endpoint: str) -> str:
        """Return the key of the list of an endpoint's spent deliveries."""
        return f"{self.webhooks_of(partition)}:{endpoint}:dead"

    def history(self, partition: int) -> str:
        """Return the key of the hash that says how far the history of changes was read."""
        return f"{self.app}:{{{partition}}}:history"

    def history_prefix(self, partition: int) -> str:
        """Return what a customer's id is appended to: their newest changes."""
        return f"{self.app}:{{{partition}}}:h:"

    def flows(self, partition: int) -> tuple[str, str]:
        """Return the keys of two hashes of entries and exits: segment -> sums of the last day, minute -> segments'."""
        return f"{self.app}:{{{partition}}}:flows", f"{self.app}:{{{partition}}}:minutes"


def escape_glob(text: str) -> str:
    """Return `text` as a pattern of Redis that matches nothing but itself."""
    return _GLOB.sub(r"\\\1", text)
