"""The server-side scripts, and the arguments of a commit as `commit.lua` reads them."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from state.keys import FORM_FIELD

if TYPE_CHECKING:
    from state.keys import Keys
    from state.store import Commit

Argument = str | bytes | int


class Script:
    """One script in Lua: its source, and the hash that the server knows it by."""

    def __init__(self, name: str) -> None:
        """Read `state/lua/<name>.lua`."""
        self.source = files("state").joinpath("lua", f"{name}.lua").read_bytes()
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()


COMMIT = Script("commit")
TAKE_OVER = Script("take_over")
ACTIVATE = Script("activate")
WRITE_VIEWS = Script("write_views")
ALL = (COMMIT, TAKE_OVER, ACTIVATE, WRITE_VIEWS)


def commit_call(names: Keys, commit: Commit, *, prove: bool) -> tuple[list[Argument], list[Argument]]:
    """Return KEYS and ARGV of `commit.lua`. With `prove`, a repeat writes its token again, for WAITAOF to wait for."""
    partition = commit.partition
    prefix = names.profile_prefix(partition)
    keys: list[Argument] = [
        names.head(partition),
        names.due(partition),
        names.outbox(partition),
        names.sizes(partition),
        names.views(partition),
        names.never(partition),
    ]
    keys += [prefix + customer for customer in commit.profiles]
    body: list[Argument] = list(commit.profiles.values())
    moved, removed = _due(commit)
    body += moved
    body += removed
    for segment, delta in commit.sizes.items():
        body += (segment, delta)
    body += commit.outbox
    body += commit.viewed
    body += commit.views
    for form, content in commit.forms.items():
        body += (FORM_FIELD + form, content)
    header: list[Argument] = [
        commit.epoch,
        commit.number,
        commit.token,
        commit.ruleset,
        commit.from_offset,
        commit.next_offset,
        "" if commit.marker is None else commit.marker,
        b"" if commit.topics is None else msgspec.json.encode(commit.topics),
        "" if commit.passed is None else commit.passed,
        commit.published,
        int(prove),
        len(moved) // 2,
        len(removed),
        len(commit.sizes),
        len(commit.outbox),
        len(commit.viewed),
        len(commit.views),
        len(commit.forms),
    ]
    return keys, header + body


def _due(commit: Commit) -> tuple[list[Argument], list[Argument]]:
    """Return (score, customer) pairs to set, and customers to remove."""
    moved: list[Argument] = []
    removed: list[Argument] = []
    for customer, due_ms in commit.due.items():
        if due_ms is None:
            removed.append(customer)
        else:
            moved += (due_ms, customer)
    return moved, removed
