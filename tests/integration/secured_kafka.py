"""Apache Kafka with TLS, users and rights, as a careful operator has it.

Its listeners: SECURED is TLS with user and password (SCRAM-SHA-512 or PLAIN), MUTUAL is TLS with clients' certificates;
at `address` anybody is its administrator, which is for the tests themselves.
"""

from __future__ import annotations

import contextlib
import itertools
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from streams.child import HOST, free_port
from tests.integration.kafka import ApacheKafka

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from tests.integration.certificates import Certificates

PASSWORDS = {"segue-worker": "night-shift", "segue-http": "front-door", "segue-maker": "first-day"}
"""User -> password."""

_ALLOW = 3
_LITERAL, _PREFIXED = 3, 4
_RESOURCES = {"--topic": 2, "--group": 3, "--transactional-id": 5}
_OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}


class Acl(NamedTuple):
    """One right of one user, with the numbers that Kafka's protocol has for it."""

    user: str
    resource: int
    name: str
    pattern: int
    operation: int

    @property
    def is_of_topic(self) -> bool:
        return self.resource == _RESOURCES["--topic"]

    @property
    def does(self) -> str:
        """The operation's name."""
        return next(name for name, number in _OPERATIONS.items() if number == self.operation)

    @property
    def kind(self) -> str:
        """What it is about, as messages call it."""
        return {2: "topic", 3: "consumer group", 5: "transactional id"}[self.resource]

    def __str__(self) -> str:
        return f"{self.does} {self.kind} {self.name}"


class SecuredKafka(ApacheKafka):
    """Kafka with TLS and `StandardAuthorizer`: who has no right to something may not do it."""

    def __init__(self, certificates: Certificates) -> None:
        """Choose ports and folder."""
        super().__init__()
        self.secured, self.mutual = (f"{HOST}:{free_port()}" for _ in range(2))
        self._certificates = certificates

    def settings(self) -> dict[str, str]:
        usual = super().settings()
        more = {"SECURED": self.secured, "MUTUAL": self.mutual}
        added = "".join(f",{name}://{address}" for name, address in more.items())
        plain = " ".join(f'user_{user}="{password}"' for user, password in PASSWORDS.items())
        of = "org.apache.kafka.common.security"
        return {
            **usual,
            "listeners": usual["listeners"] + added,
            "advertised.listeners": usual["advertised.listeners"] + added,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL,MUTUAL:SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._certificates.server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._certificates.ca),
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.mutual.ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
            "listener.name.secured.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.secured.scram-sha-512.sasl.jaas.config": f"{of}.scram.ScramLoginModule required;",
            "listener.name.secured.plain.sasl.jaas.config": f"{of}.plain.PlainLoginModule required {plain};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def format_options(self) -> Sequence[str]:
        users = [f"SCRAM-SHA-512=[name={user},password={password}]" for user, password in PASSWORDS.items()]
        return [word for user in users for word in ("--add-scram", user)]

    async def grant(self, acls: Iterable[Acl]) -> None:
        async with self._administrator() as client:
            for acl in acls:
                request = CreateAclsRequest(
                    acl.resource, acl.name, acl.pattern, f"User:{acl.user}", "*", acl.operation, _ALLOW
                )
                answer = await client.send(client.get_random_node(), request)
                assert [error for error, _ in answer.creation_responses] == [0]

    async def revoke(self, acl: Acl) -> None:
        async with self._administrator() as client:
            request = DeleteAclsRequest(
                acl.resource, acl.name, acl.pattern, f"User:{acl.user}", "*", acl.operation, _ALLOW
            )
            answer = await client.send(client.get_random_node(), request)
            assert [len(found[2]) for found in answer.filter_responses] == [1]

    @contextlib.asynccontextmanager
    async def without(self, acl: Acl) -> AsyncIterator[None]:
        await self.revoke(acl)
        try:
            yield
        finally:
            await self.grant([acl])

    @contextlib.asynccontextmanager
    async def _administrator(self) -> AsyncIterator[Any]:
        client: Any = AIOKafkaClient(bootstrap_servers=self.address)
        try:
            await client.bootstrap()
            yield client
        finally:
            await client.close()


def acls_of(commands: str) -> Iterator[Acl]:
    """Yield what these `kafka-acls --add` lines give."""
    for line in commands.splitlines():
        if not line.startswith("kafka-acls "):
            continue
        words = shlex.split(line)
        pairs = list(itertools.pairwise(words))
        user = next(value for option, value in pairs if option == "--allow-principal").removeprefix("User:")
        prefixed = ("--resource-pattern-type", "prefixed") in pairs
        for option, name in pairs:
            if option in _RESOURCES:
                for operation in (value for word, value in pairs if word == "--operation"):
                    pattern = _PREFIXED if prefixed else _LITERAL
                    yield Acl(user, _RESOURCES[option], name, pattern, _OPERATIONS[operation])
