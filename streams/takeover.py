"""Taking a partition over: store, broker, and what the former owner left behind, in that order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from rules.errors import Fenced, StateError
from state.store import NO_OFFSET
from state.view import encode_view
from streams.changes import unpack_entry
from streams.publisher import Publisher
from streams.samples import is_sample
from streams.topic_ids import topic_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from state.engine import Engine
    from state.store import Head
    from streams.definitions import Active
    from streams.entry import Entry
    from streams.parts import Parts
    from streams.tail import Out, Tail

log = logging.getLogger(__name__)


class Taken(NamedTuple):
    """A partition as taken over: nothing of the former owner is left to do.

    All its customers stand under ruleset number `passed` or a newer one. The next commit is `number + 1`, begins at
    `next_offset`, trims `trim` entries of the outbox, notes `written` views and the ids of the `topics` and the `forms`
    that are not stored yet.
    """

    epoch: int
    number: int
    next_offset: int
    trim: int
    written: Sequence[str]
    topics: Mapping[str, str] | None
    forms: Mapping[str, bytes]
    passed: int
    publisher: Publisher


async def take_over(parts: Parts, partition: int, active: Active) -> Taken:
    """Take the partition over from whoever has it.

    Raises
    ------
    Fenced
        if another worker takes it over at this moment.
    StateError
        if store and topics do not fit together, with the remedy.
    ServiceError
        if one of them cannot be reached.
    """
    head = await parts.store.take_over(partition)
    right = await parts.fence.own(partition, head.epoch)
    parts.signs.give(partition)
    try:
        await _see_that_it_is_ours(parts, partition, head)
        active.engine.learn_forms(head.forms)
        topics = await _check_topics(parts, partition, head)
        tail = await parts.tail.read(partition, head.marker)
        parts.signs.give(partition)
        topic, deadline_s = parts.topics.changes, parts.settings.publish_deadline / 1000
        publisher = Publisher(
            right, parts.settings.app_id, topic, partition, deadline_s=deadline_s, sign=parts.signs.give
        )
        publisher.took = parts.counters.publish_s
        next_offset = await _check_offset(parts, partition, head, tail)
        outbox = await parts.store.outbox(partition)
        entries = [unpack_entry(data) for data in outbox if not is_sample(data)]
        publisher.unseen = await _unseen(parts, partition, head, _without(tail, entries), active.engine)
        publisher.marker = None if publisher.unseen else tail.end
        await publisher.publish([entry for entry in entries if entry.id not in tail.out])
        await parts.samples.send([data for data in outbox if is_sample(data)])
        parts.signs.give(partition)
        written = await _write_views(parts, partition, active.engine)
    except StateError:
        await right.close()
        # a head read before somebody else had the partition fits nothing that stands there now, and accuses nobody
        await _see_that_it_is_ours(parts, partition, head)
        raise
    except BaseException:
        await right.close()
        raise
    fields = {"partition": partition, "epoch": head.epoch, "offset": next_offset}
    message = "partition %d: taken over (epoch %d), reading from offset %d"
    log.info(message, partition, head.epoch, next_offset, extra=fields)
    passed = active.number if head.offset == NO_OFFSET else head.passed  # without state there are no customers
    forms = {name: form for name, form in active.engine.form.items() if name not in head.forms}
    return Taken(head.epoch, head.number, next_offset, len(outbox), written, topics, forms, passed, publisher)


async def _see_that_it_is_ours(parts: Parts, partition: int, head: Head) -> None:
    if (await parts.store.head(partition)).epoch != head.epoch:
        message = f"partition {partition}: another worker took it over in the meantime"
        raise Fenced(message)


async def _check_topics(parts: Parts, partition: int, head: Head) -> Mapping[str, str] | None:
    """Return what the state is to keep of its topics, where it lacks some of it: their ids, and how many partitions.

    Offsets mean nothing on a topic with another id, nor does a customer's state in a partition that the topic's number
    of partitions does not lead to.
    """
    topics, count = parts.topics, f"{parts.topics.events} partitions"
    ids = await topic_ids(parts.settings, (topics.events, topics.changes))
    if not ids:
        log.info("partition %d: the broker has no topic ids: a topic created anew would go unnoticed", partition)
    stored, found = head.topics, {**ids, count: str(parts.settings.partitions)}
    # a partition that is new to the app has no state, the first one has
    began_with = stored.get(count) or (await parts.store.head(0)).topics.get(count, found[count])
    if began_with != found[count]:
        message = (
            f"{topics.events}: SEGUE_PARTITIONS is {found[count]}, and the app began with {began_with}: with another "
            "number a customer's records go to another partition than the customer's state. An app keeps the number it "
            "began with; for another begin a new app, with another SEGUE_APP_ID and SEGUE_TOPIC_PREFIX"
        )
        raise StateError(message)
    for name, identity in ids.items():
        if stored.get(name, identity) != identity:
            message = (
                f"{name}: the topic has the id {identity}, the state of partition {partition} belongs to "
                f"{stored[name]}: the topic was deleted and created anew. Give the app another SEGUE_APP_ID, or remove "
                "its state and start with --from-scratch"
            )
            raise StateError(message)
    return {**stored, **found} if found.keys() - stored.keys() else None


async def _check_offset(parts: Parts, partition: int, head: Head, tail: Tail) -> int:
    """Return the offset to read from: the stored one, or on a first start the log's beginning."""
    if head.offset != NO_OFFSET:
        return head.offset
    if not parts.from_scratch:
        traces = []
        if tail.out:
            traces.append(f"changes of it stand on {parts.topics.changes}/{partition}")
        if await parts.group.has_offset(partition):
            traces.append(f"its consumer group has an offset for {parts.topics.events}/{partition}")
        if traces:
            message = (
                f"partition {partition}: the store has no state of app {parts.settings.app_id!r}, but "
                f"{' and '.join(traces)}: the store was emptied, or is another one. Put the right SEGUE_REDIS, restore "
                "its data, or start with --from-scratch to read the events from their beginning and publish all "
                "changes anew"
            )
            raise StateError(message)
    return await parts.group.beginning(partition)


def _without(tail: Tail, entries: Iterable[Entry]) -> dict[str, Out]:
    """Return what is out and no entry of the outbox: nothing, as long as the store keeps what it acknowledged."""
    ours = {entry.id for entry in entries}
    return {identity: out for identity, out in tail.out.items() if identity not in ours}


async def _unseen(parts: Parts, partition: int, head: Head, strange: Mapping[str, Out], engine: Engine) -> set[str]:
    """Return the ids that a store which was set back will compute again: those ahead of their customers."""
    if head.offset == NO_OFFSET or not strange:
        return set()
    customers = list({out.customer: None for out in strange.values()})
    seqs = {
        customer: engine.decode(customer, data).seq if data is not None else 0
        for customer, data in zip(customers, await parts.store.load(partition, customers), strict=True)
    }
    unseen = {identity for identity, out in strange.items() if out.seq > seqs[out.customer]}
    if not unseen:
        return set()
    newest = max(strange[identity].commit for identity in unseen)
    if newest > head.number and not parts.accept_rollback:
        message = (
            f"partition {partition}: {parts.topics.changes} holds changes up to commit {newest}, the store knows only "
            f"{head.number}: it lost what it had acknowledged, or was restored from an older copy. Restore the newest "
            "one, or start with --accept-rollback to read the events since then again; what is out stays out once"
        )
        raise StateError(message)
    log.warning("partition %d: the store was set back; %d changes that it will make are out", partition, len(unseen))
    return unseen


async def _write_views(parts: Parts, partition: int, engine: Engine) -> Sequence[str]:
    """Write the views that a former owner committed and may not have written; return their customers."""
    customers = await parts.store.pending_views(partition)
    views = {}
    for customer, data in zip(customers, await parts.store.load(partition, customers), strict=True):
        if data is not None:
            profile = engine.decode(customer, data)
            views[customer] = encode_view(engine.show(profile))
    if views:
        await parts.store.write_views(views)
    return customers
