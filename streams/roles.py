"""What a worker and what `segue serve` does with each topic, and which of it the broker does not allow.

Asked at start: else a right that is missing would show itself hours later, when the first record is rejected. Groups
and transactional ids cannot be asked about so; the first use says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.errors import TopicAuthorizationFailedError

from streams.rights import Right, not_allowed
from streams.topic_ids import about_topics
from streams.topics import Finding, Topics, check_topics

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from streams.settings import Settings


def workers_rights(settings: Settings, *, models: bool) -> dict[str, set[Right]]:
    """Return topic -> what a worker does with it; with `models`, where its ruleset has some."""
    topics = Topics.named(settings)
    rights = {
        topics.events: {Right.READ, Right.WRITE},  # ticks are written
        topics.changes: {Right.READ, Right.WRITE},
        topics.rejected: {Right.WRITE},
    }
    if models:
        rights[topics.samples] = {Right.READ, Right.WRITE}
        rights[topics.models] = {Right.READ, Right.WRITE}
        rights[topics.model_events] = {Right.WRITE}
    return rights


def edges_rights(settings: Settings, edges: Collection[str]) -> dict[str, set[Right]]:
    """Return topic -> what `segue serve` does with it for these edges."""
    topics = Topics.named(settings)
    rights: dict[str, set[Right]] = {}
    if "ingest" in edges:
        rights[topics.events] = {Right.WRITE}
        rights[topics.rejected] = {Right.WRITE}
    if "lookup" in edges or "webhooks" in edges:
        rights[topics.changes] = {Right.READ}
    if "webhooks" in edges:
        rights[topics.spent] = {Right.WRITE}
    return rights


async def check_role(
    settings: Settings, wanted: Mapping[str, Collection[Right]], *, models: bool, webhooks: bool = False
) -> list[Finding]:
    """Return what keeps us from this work: rights that we lack, and what `check_topics` says of other topics.

    Raises `ServiceError`.
    """
    found = await check_topics(settings, models=models, webhooks=webhooks)
    lacking = await _lacking(settings, wanted)
    at_fault = {finding.topic for finding in lacking}
    return [*lacking, *(finding for finding in found if finding.topic not in at_fault)]


async def _lacking(settings: Settings, wanted: Mapping[str, Collection[Right]]) -> list[Finding]:
    findings = []
    for name, about in (await about_topics(settings, list(wanted))).items():
        hidden = about.error is TopicAuthorizationFailedError
        told = about.rights if not hidden else frozenset()
        missing = sorted(right for right in wanted[name] if told is not None and right not in told)
        if missing:
            findings.append(Finding(name, not_allowed(settings, name, missing)))
    return findings
