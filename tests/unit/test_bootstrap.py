"""A client of aiokafka begins when it knows of a broker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

import streams.bootstrap


class Client:
    """One whose broker is part of its cluster from the n-th question on."""

    def __init__(self, questions: int) -> None:
        self.left = questions
        self.hosts = [("127.0.0.1", 9092)]
        self.cluster = SimpleNamespace(brokers=lambda: set() if self.left > 0 else {"a broker"})

    async def force_metadata_update(self) -> None:
        self.left -= 1


async def bootstrap(client: Client) -> None:
    client.left -= 1


begin: Any = streams.bootstrap.knowing_a_broker(bootstrap)  # type: ignore[arg-type]


async def test_it_asks_until_a_broker_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.bootstrap, "_PAUSE_S", 0)
    client = Client(5)
    await begin(client)
    assert client.left == 0


async def test_it_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.bootstrap, "PATIENCE_S", -1)
    with pytest.raises(KafkaConnectionError, match="is not part of its cluster yet"):
        await begin(Client(2))
    await begin(Client(1))


def test_every_client_does() -> None:
    assert "patient" in AIOKafkaClient.bootstrap.__code__.co_name
