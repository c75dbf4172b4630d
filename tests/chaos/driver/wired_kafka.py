"""Apache Kafka with further listeners, each advertised at the port of a wire: what a worker is told leads there."""

from __future__ import annotations

from streams.child import HOST, free_port
from tests.chaos.driver.wire import Wire
from tests.integration.kafka import ApacheKafka


class WiredKafka(ApacheKafka):
    """One node; `wires[n]` is the network of the n-th listener. They are entered by who runs it."""

    def __init__(self, wires: int) -> None:
        """Choose ports."""
        super().__init__()
        self.wires = [Wire(free_port()) for _ in range(wires)]

    def settings(self) -> dict[str, str]:
        settings = super().settings()
        names = [f"WIRE{number}" for number in range(len(self.wires))]
        settings["listeners"] += "".join(
            f",{name}://{HOST}:{wire.to_port}" for name, wire in zip(names, self.wires, strict=True)
        )
        settings["advertised.listeners"] += "".join(
            f",{name}://{wire.address}" for name, wire in zip(names, self.wires, strict=True)
        )
        protocols = [f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *names)]
        return settings | {"listener.security.protocol.map": ",".join(protocols)}
