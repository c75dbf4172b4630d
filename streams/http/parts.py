"""What the edges share: the settings, who may come in, what is measured, and the way to the broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.http.metrics import Metrics
from streams.http.owning import owning

if TYPE_CHECKING:
    from streams.http.broker import Broker
    from streams.http.direct import Handler
    from streams.http.gates import Gate
    from streams.http.keyring import KeyRing
    from streams.http.owning import Owning
    from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class HttpParts:
    """Handed to each edge when it is opened."""

    settings: Settings
    keys: KeyRing
    broker: Broker
    metrics: Metrics = field(default_factory=Metrics)
    owning: Owning = owning
    """How an edge has its share of a topic's partitions worked on."""
    direct: dict[str, Handler] = field(default_factory=dict)
    """What POST to a path, or GET of one that ends in `{id}`, calls without the framework; routes of their edge too."""
    gates: dict[str, Gate] = field(default_factory=dict)
    """What raises `HttpError` while a path is full."""
