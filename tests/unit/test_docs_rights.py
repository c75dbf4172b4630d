"""The rights in docs/operations.md name every topic and every key: one that is added is added there, too."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import TYPE_CHECKING

from state.keys import Keys
from streams.roles import edges_rights, workers_rights
from streams.settings import Settings
from streams.topics import Topics

if TYPE_CHECKING:
    from streams.rights import Right

RIGHTS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text().split("### Least rights\n")[1]


def patterns(user: str) -> list[str]:
    """Return which keys this user may write."""
    line = next(line for line in RIGHTS.splitlines() if line.startswith(f"ACL SETUSER {user} "))
    return [word[1:] for word in line.split() if word.startswith("~")]


def test_every_key_is_somebodys_to_write() -> None:
    keys = Keys("segue")
    ours = [
        *(value for name, value in vars(keys).items() if isinstance(value, str) and value.startswith("segue:")),
        *(getattr(keys, name)(3) for name in ("head", "due", "outbox", "sizes", "views", "never", "webhooks_of")),
        *keys.flows(3),
        keys.history(3),
        f"{keys.profile_prefix(3)}c1",
        f"{keys.history_prefix(3)}c1",
        keys.webhook_lane(3, "e", 1, "queue"),
        keys.webhook_dead(3, "e"),
    ]
    allowed = [*patterns("segue-worker"), *patterns("segue-http")]
    left = {key for key in ours if not any(fnmatch.fnmatchcase(key, pattern) for pattern in allowed)}
    # the keys of callers are people's to make (`segue keys`), and two of these are patterns
    assert left - {keys.view_pattern, keys.everything} == {keys.access}


def test_every_right_of_a_role_is_listed() -> None:
    settings = Settings()
    roles: dict[str, dict[str, set[Right]]] = {
        "segue-worker": workers_rights(settings, models=True),
        "segue-http": edges_rights(settings, ("ingest", "lookup", "webhooks")),
        "segue-maker": {name: set() for name in Topics.named(settings).all()},
    }
    for user, wanted in roles.items():
        listed: dict[str, set[str]] = {}
        for line in RIGHTS.splitlines():
            if f"User:{user} " in line:
                for topic in re.findall(r"--topic (\S+)", line):
                    listed.setdefault(topic, set()).update(re.findall(r"--operation (\S+)", line))
        assert listed.keys() == wanted.keys()
        for topic, rights in wanted.items():
            assert {str(right) for right in rights} <= listed[topic]
