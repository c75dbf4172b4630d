"""What ended workers leave in the store and on the rejected topic, held to what the log makes certain."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from rules.features import NEVER
from state.connect import Link
from state.engine import Engine
from state.keys import Keys
from state.scans import scan_all
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from state.profile import Profile
    from state.store import Store
    from tests.chaos.scene import Scene
    from tests.chaos.verdict import Expected

MOST_SHOWN = 10


async def left_behind(scene: Scene, expected: Expected) -> AsyncIterator[str]:
    """Yield what is wrong, a line each."""
    sizes = await scene.store.sizes(range(scene.settings.partitions))
    if sizes != {name: size for name, size in expected.sizes.items() if size}:
        yield f"sizes are {sizes}, the truth is {dict(expected.sizes)}"
    for partition, end in scene.events.ends.items():
        profiles = expected.profiles.get(partition, {})
        async for line in _bookkeeping(scene.store, partition, end, profiles):
            yield f"partition {partition}: {line}"
        async for line in _customers(scene, partition, profiles):
            yield f"partition {partition}: {line}"
    for line in _rejected(scene, expected):
        yield line
    async for line in _orphans(scene, expected):
        yield line


async def _bookkeeping(store: Store, partition: int, end: int, profiles: Mapping[str, Profile]) -> AsyncIterator[str]:
    head = await store.head(partition)
    if head.offset != end:
        yield f"it is read up to offset {head.offset} and ends at {end}"
    if outbox := await store.outbox(partition):
        yield f"{len(outbox)} changes are in the outbox"
    if pending := await store.pending_views(partition):
        yield f"the views of {pending} were never written"
    due = dict(await store.due(partition, NEVER, len(profiles) + 1))
    wanted = {customer: profile.due for customer, profile in profiles.items() if profile.due < NEVER}
    for customer in sorted(due.keys() | wanted.keys()):
        if due.get(customer) != wanted.get(customer):
            yield f"customer {customer} is due at {due.get(customer)}, in truth at {wanted.get(customer)}"


async def _customers(scene: Scene, partition: int, profiles: Mapping[str, Profile]) -> AsyncIterator[str]:
    settings = scene.settings
    engine = Engine(scene.ruleset, max_late_ms=settings.max_late, view_traits=settings.view_traits)
    stored_ = await scene.store.load(partition, list(profiles))
    engine.learn_forms((await scene.store.head(partition)).forms)
    for customer, data in zip(profiles, stored_, strict=True):
        truth = _shown(engine.show(profiles[customer]))
        stored = None if data is None else _shown(engine.show(engine.decode(customer, data)))
        if stored != truth:
            yield f"customer {customer} is stored as {stored}, the truth is {truth}"
        view = await scene.store.view(customer)
        if view is None or _shown(orjson.loads(view)) != truth:
            yield f"customer {customer} is shown as {view!r}, the truth is {truth}"


def _shown(view: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the view without its revision: how often a customer was written is no part of the truth."""
    return {name: value for name, value in view.items() if name != "rev"}


async def _orphans(scene: Scene, expected: Expected) -> AsyncIterator[str]:
    """Say which keys of the app belong to nobody."""
    keys = Keys(scene.settings.app_id)
    wanted = {keys.rules, *(keys.view_prefix + customer for customer in expected.partitions)}
    for partition in range(scene.settings.partitions):
        wanted |= {name(partition) for name in (keys.head, keys.due, keys.outbox, keys.sizes, keys.views)}
        wanted |= {keys.profile_prefix(partition) + customer for customer in expected.profiles.get(partition, {})}
    link, cursor, found = Link(scene.settings.redis, PATIENCE_S), 0, set()
    while True:
        cursor, some = await scan_all(link, keys.everything, cursor, 1_000)
        found |= {key.decode() for key in some}
        if cursor == 0:
            break
    await link.close()
    if found - wanted:
        yield f"keys of nobody: {sorted(found - wanted)[:MOST_SHOWN]}"


def _rejected(scene: Scene, expected: Expected) -> Iterator[str]:
    """Compare the rejected topic, on which a record may stand more than once."""
    found: dict[tuple[int, int], str] = {}
    for record in scene.rejected.records[0]:
        headers = {name: value.decode() for name, value in record.headers}
        found[int(headers["partition"]), int(headers["offset"])] = headers["error"]
    if found != expected.rejected:
        missing = {place: reason for place, reason in expected.rejected.items() if found.get(place) != reason}
        extra = Counter(reason for place, reason in found.items() if expected.rejected.get(place) != reason)
        yield f"rejected wrongly: {extra}; not rejected: {missing}"
