"""The services that integration tests run on: one broker and one Valkey a session, names of its own for each test."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from streams.embedded import EmbeddedBroker, EmbeddedValkey
from tests.integration.kafka import ApacheKafka

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Broker = EmbeddedBroker | ApacheKafka


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    """Run the broker that `--broker` names: `address`, `kind`, `kill()`, `restart()`.

    Restarted, Apache Kafka has its log as before and the embedded broker is empty. A test that kills it leaves it
    running again.
    """
    wanted: type[Broker] = ApacheKafka if request.config.getoption("--broker") == "kafka" else EmbeddedBroker
    async with wanted() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey() -> AsyncIterator[EmbeddedValkey]:
    """Run a Valkey: `url`; `kill()` and `restart()` keep its port and its append-only file.

    A test that kills it leaves it running again.
    """
    async with EmbeddedValkey() as running:
        yield running


@pytest.fixture
def topic_prefix() -> str:
    """Return a prefix that no other test's topics have."""
    return f"t{secrets.token_hex(6)}."


@pytest.fixture
def app_id() -> str:
    """Return an app id (consumer group, transactional ids, key prefix) that no other test has."""
    return f"segue-{secrets.token_hex(6)}"


@pytest.fixture
def key_prefix(app_id: str) -> str:
    """Return the prefix of all keys of `app_id`."""
    return f"{app_id}:"
