"""Segue on secured services: in with TLS and users, with the rights that docs/operations.md lists and no more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest
import pytest_asyncio
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from rules.errors import AccessError, ServiceError, TopicError
from rules.load import load_text
from state.access import KINDS, AccessKeys
from state.redis import RedisStore
from streams.app import build_app
from streams.embedded import EmbeddedValkey
from streams.http.serving import serving as serving_http
from streams.redis_access import redis_url
from streams.settings import load_settings
from streams.topics import check_topics, create_topics
from tests.integration.certificates import Certificates, serving
from tests.integration.pipeline import track
from tests.integration.secured_kafka import PASSWORDS, Acl, SecuredKafka, acls_of
from tests.integration.tls_front import tls_front
from tests.integration.webhook_receiver import marketing_tool
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from streams.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
REDIS_PASSWORD = "redis-secret"  # noqa: S105 - of a server that lives as long as the test
PARTITIONS = 2
MUTUAL = {
    "SEGUE_BROKER": "{mutual}",
    "SEGUE_BROKER_SECURITY": "ssl",
    "SEGUE_BROKER_USER": "",
    "SEGUE_BROKER_PASSWORD_FILE": "",
    "SEGUE_BROKER_CERT_FILE": "{client}",
    "SEGUE_BROKER_KEY_FILE": "{key}",
}
"""With a client's certificate in place of user and password."""
WITHOUT = {
    "SEGUE_BROKER_SECURITY": "plaintext",
    "SEGUE_BROKER_USER": "",
    "SEGUE_BROKER_PASSWORD_FILE": "",
    "SEGUE_BROKER_CA_FILE": "",
}
RULES = """
models:
  - key: again
    kind: propensity
    target: {event: Bought, within: 30d}
    sample: {on: [Bought], every: 7d}
    features: {orders: {did: {event: Bought, within: 90d}}}
segments:
  - {key: buyer, when: {did: {event: Bought}}}
  - {key: loyal, when: {did: {event: Bought, times: {gte: 2}}}}
"""


@dataclass(frozen=True)
class Site:
    """The secured services, and the environments of those who use them."""

    kafka: SecuredKafka
    valkey: EmbeddedValkey
    certificates: Certificates
    folder: Path
    redis_port: int

    def settings(self, user: str, **more: object) -> Settings:
        return load_settings(environ=self.environment(user, **more))[0]

    def environment(self, user: str, **more: object) -> dict[str, str]:
        files = {"SEGUE_BROKER_PASSWORD_FILE": PASSWORDS[user], "SEGUE_REDIS_PASSWORD_FILE": REDIS_PASSWORD}
        for name, secret in files.items():
            (self.folder / f"{user}-{name}").write_text(f"{secret}\n")
        settings = {
            "SEGUE_BROKER": self.kafka.secured,
            "SEGUE_BROKER_SECURITY": "sasl_ssl",
            "SEGUE_BROKER_USER": user,
            "SEGUE_BROKER_CA_FILE": self.certificates.ca,
            "SEGUE_REDIS": f"rediss://{user}@127.0.0.1:{self.redis_port}/0",
            "SEGUE_REDIS_CA_FILE": self.certificates.ca,
            "SEGUE_PARTITIONS": PARTITIONS,
            "SEGUE_SESSION_TIMEOUT": "2s",
            **{name: self.folder / f"{user}-{name}" for name in files},
            **more,
        }
        return os.environ | {name: str(value) for name, value in settings.items()}


def documented(language: str) -> str:
    """Return what is in the blocks of this language of the document's section."""
    section = DOCUMENT.read_text().split("### Least rights\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))


async def set_users(administrator: Any) -> None:
    """Give Redis the users that the document lists, with exactly their rights."""
    for line in documented("redis").splitlines():
        await administrator.execute_command(*line.replace("PASSWORD", REDIS_PASSWORD).split())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("secured")
    (folder / "rules.yaml").write_text(RULES)
    certificates = Certificates.make(folder)
    async with SecuredKafka(certificates) as kafka, EmbeddedValkey() as valkey:
        await kafka.grant(acls_of(documented("sh")))
        async with redis.asyncio.Redis.from_url(valkey.url, protocol=2) as administrator:
            await set_users(administrator)
        async with tls_front(valkey.port, serving(certificates.server)) as redis_port:
            site = Site(kafka, valkey, certificates, folder, redis_port)
            await create_topics(site.settings("segue-maker"))
            yield site


class Command:
    """A `segue` command as a process; what it says is read as it comes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, environment: dict[str, str], *words: object) -> Command:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", "from streams.cli import main; main()", *map(str, words), env=environment,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )
        )  # fmt: skip

    async def says(self, words: str) -> str:
        """Return the line with these words, once it is there."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [line for line in self.said.splitlines() if words in line]):
                assert not self._reading.done(), f"it ended without saying {words!r}:\n{self.said}"
                await asyncio.sleep(0.02)
        return found[0]

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            await self._reading
            return await self.process.wait()

    async def killed(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.ended()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.said += line.decode()


@contextlib.asynccontextmanager
async def running(environment: dict[str, str], *words: object) -> AsyncIterator[Command]:
    command = await Command.start(environment, *words)
    try:
        yield command
    except BaseException:
        print(*words, "said:", command.said, sep="\n")  # noqa: T201 - pytest shows it where the test has failed
        raise
    finally:
        await command.killed()


async def segue(environment: dict[str, str], *words: object) -> tuple[int, str]:
    """Run a command to its end; return its status and what it said."""
    command = await Command.start(environment, *words)
    return await command.ended(), command.said


async def changes_of(site: Site, customers: list[str], each: int) -> dict[str, list[tuple[int, str]]]:
    """Return customer -> (seq, segment) of all their changes, once each of them has so many."""
    found: dict[str, list[tuple[int, str]]] = {}
    consumer = AIOKafkaConsumer("segment-changes", bootstrap_servers=site.kafka.address, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(PATIENCE_S):
        while any(len(found.get(customer, ())) < each for customer in customers):
            change = orjson.loads((await consumer.getone()).value or b"")
            if change["customer_id"] in customers:
                found.setdefault(change["customer_id"], []).append((change["seq"], change["segment"]))
    return found


async def view_of(client: httpx.AsyncClient, read: str, customer: str, seq: int) -> Any:
    """Return the view, once it is as new as that."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await client.get(f"/v1/customers/{customer}", params={"wait_for_seq": seq}, auth=(read, ""))
            if answer.status_code == 200 and answer.json()["seq"] >= seq:
                return answer.json()
            assert answer.status_code in {200, 404, 409}, answer.text


async def test_from_http_to_http_with_the_rights_that_the_document_lists(site: Site) -> None:
    denied = await denials(site)
    code, said = await segue(site.environment("segue-maker"), "topics")
    assert (code, said.count(": there, and as it must be")) == (0, 7), said
    keys = AccessKeys(site.valkey.url, "segue", patience_s=5)
    write, read, admin = [await keys.add(kind, kind, 0) for kind in KINDS]
    await keys.close()
    customers = [f"c{number}" for number in range(6)]
    at_work = site.environment("segue-worker")
    at_the_door = site.environment(
        "segue-http", SEGUE_HTTP_PORT=0, SEGUE_WEBHOOKS_HTTP=True, SEGUE_WEBHOOKS_NETWORKS="127.0.0.0/8"
    )
    async with (
        marketing_tool() as tool,
        running(at_work, "worker", "--rules", site.folder / "rules.yaml") as first,
        running(at_work, "worker", "--rules", site.folder / "rules.yaml") as second,
        running(at_the_door, "serve") as door,
    ):
        url = (await door.says("segue serves")).split()[2].strip(",")
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:

            async def buy() -> None:
                for customer in customers:
                    body = {"userId": customer, "event": "Bought"}
                    assert (await client.post("/v1/track", json=body, auth=(write, ""))).status_code == 200

            await first.says("taken over")
            await second.says("taken over")
            made = await client.post("/v1/webhooks", json={"url": tool.url}, auth=(admin, ""))
            assert made.status_code == 201, made.text
            await buy()
            for customer in customers:
                found = await view_of(client, read, customer, 1)
                assert [one["key"] for one in found["segments"]] == ["buyer"]
            await first.killed()
            await buy()
            for customer in customers:
                found = await view_of(client, read, customer, 2)
                assert {one["key"] for one in found["segments"]} == {"buyer", "loyal"}
            await tool.wait_for(2 * len(customers))
            for path in ("customers/c0/changes", "customers/c0/explain", "segments", "segments/buyer/customers"):
                answer = await client.get(f"/v1/{path}", auth=(read, ""))
                assert answer.status_code == 200, answer.text
            token = await client.post("/v1/tokens", json={"customer_id": "c0"}, auth=(read, ""))
            assert token.status_code == 200, token.text
            assert (await client.post("/v1/track", content=b"[", auth=(write, ""))).status_code == 400
            assert (await client.delete(f"/v1/webhooks/{made.json()['id']}", auth=(admin, ""))).status_code == 200
    assert await changes_of(site, customers, 2) == {one: [(1, "buyer"), (2, "loyal")] for one in customers}
    assert await denials(site) == denied


async def denials(site: Site) -> tuple[list[str], list[Any]]:
    """Return what Kafka and Valkey have refused so far: both of them keep a log of it."""
    administrator: Any
    async with redis.asyncio.Redis.from_url(site.valkey.url, protocol=2) as administrator:
        of_valkey = [entry["object"] for entry in await administrator.acl_log()]
    return [line for line in site.kafka.log.read_text().splitlines() if "is Denied" in line], of_valkey


# What a right that is missing looks like. Kafka takes a moment to forget one, so each is tried until it is refused.


async def refusal(attempt: Callable[[], Awaitable[object]]) -> str:
    """Return what an attempt is refused with; repeat it while it is let through."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await attempt()
            except (AccessError, TopicError) as error:
                return str(error)


async def begin_work(site: Site) -> None:
    """Start a worker here, and let it work until it has all partitions."""
    settings = site.settings("segue-worker")
    store = RedisStore(redis_url(settings), settings.app_id, patience_s=5)
    await store.start()
    try:
        async with build_app(settings, store, load_text(RULES)) as worker:
            running = asyncio.create_task(worker.run())
            while not running.done() and len(worker.partitions) < PARTITIONS:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.02)
            if running.done():
                await running
            running.cancel()
    finally:
        await store.close()


async def begin_serving(site: Site) -> None:
    async with serving_http(site.settings("segue-http", SEGUE_HTTP_PORT=0)):
        pass


def named(acl: Acl) -> str:
    return str(acl).replace(" ", "-")


def of_topics(user: str) -> list[Acl]:
    return [acl for acl in acls_of(documented("sh")) if acl.user == user and acl.is_of_topic]


@pytest.mark.parametrize("acl", of_topics("segue-worker"), ids=named)
async def test_a_worker_names_the_right_on_a_topic_that_it_lacks(site: Site, acl: Acl) -> None:
    async with site.kafka.without(acl):
        said = await refusal(lambda: begin_work(site))
    assert f"{acl.name}: user 'segue-worker' (SEGUE_BROKER_USER) has not the right to" in said
    assert f"kafka-acls --add --topic {acl.name} --operation {acl.does} --allow-principal User:segue-worker" in said


@pytest.mark.parametrize("acl", of_topics("segue-http"), ids=named)
async def test_serve_names_the_right_on_a_topic_that_it_lacks(site: Site, acl: Acl) -> None:
    async with site.kafka.without(acl):
        said = await refusal(lambda: begin_serving(site))
    assert f"{acl.name}: user 'segue-http' (SEGUE_BROKER_USER) has not the right to" in said


def other_rights(user: str) -> list[Acl]:
    return [acl for acl in acls_of(documented("sh")) if acl.user == user and not acl.is_of_topic]


@pytest.mark.parametrize("acl", other_rights("segue-worker"), ids=named)
async def test_a_worker_ends_with_the_right_on_a_group_or_a_transactional_id_that_it_lacks(
    site: Site, acl: Acl
) -> None:
    async with site.kafka.without(acl):
        said = await refusal(lambda: begin_work(site))
    assert f"user 'segue-worker' (SEGUE_BROKER_USER) may not do this with the {acl.kind} {acl.name}" in said


async def test_a_right_that_is_taken_away_at_work_ends_the_worker(site: Site) -> None:
    acl = next(acl for acl in of_topics("segue-worker") if (acl.name, acl.does) == ("segment-changes", "Write"))
    settings = site.settings("segue-worker")
    store = RedisStore(redis_url(settings), settings.app_id, patience_s=5)
    await store.start()
    try:
        async with build_app(settings, store, load_text(RULES)) as worker:
            running = asyncio.create_task(worker.run())
            async with asyncio.timeout(PATIENCE_S):
                while len(worker.partitions) < PARTITIONS:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.02)
            async with site.kafka.without(acl), asyncio.timeout(PATIENCE_S):
                number = 0
                async with AIOKafkaProducer(bootstrap_servers=site.kafka.address) as shop:
                    while not running.done():  # Kafka takes a moment to forget the right
                        number += 1
                        key = f"late-{number}"
                        await shop.send_and_wait(
                            "customer-events", track(key, number, event="Bought"), key=key.encode()
                        )
                with pytest.raises(AccessError, match=r"may not do this with the (topics|transactional id)"):
                    await running
    finally:
        await store.close()


@pytest.mark.parametrize("acl", other_rights("segue-http"), ids=named)
async def test_serve_goes_on_without_a_group_and_logs_the_right_that_it_lacks(
    site: Site, acl: Acl, caplog: pytest.LogCaptureFixture
) -> None:
    words = f"user 'segue-http' (SEGUE_BROKER_USER) may not do this with the {acl.kind} {acl.name}"
    async with (
        site.kafka.without(acl),
        serving_http(site.settings("segue-http", SEGUE_HTTP_PORT=0)),
        asyncio.timeout(PATIENCE_S),
    ):
        while words not in caplog.text:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ("-evalsha", "'evalsha'"),
        ("-hincrby", "ACL failure in script"),
        ("-hgetall", "'hgetall'"),
        ("-script|load", "'script|load'"),
        ("resetkeys ~segue:rules", "keys"),
    ],
)
async def test_a_worker_ends_with_what_redis_refuses_it(site: Site, taken: str, said: str) -> None:
    async with without_in_redis(site, "segue-worker", taken):
        found = await refusal(lambda: begin_work(site))
    assert said in found
    assert "give its user the commands and keys that docs/operations.md lists" in found


async def test_serve_ends_at_start_with_what_redis_refuses_it(site: Site) -> None:
    async with without_in_redis(site, "segue-http", "-hgetall"):
        assert "give its user the commands and keys" in await refusal(lambda: begin_serving(site))


@contextlib.asynccontextmanager
async def without_in_redis(site: Site, user: str, taken: str) -> AsyncIterator[None]:
    administrator: Any
    async with redis.asyncio.Redis.from_url(site.valkey.url, protocol=2) as administrator:
        await administrator.execute_command("ACL", "SETUSER", user, *taken.split())
        try:
            yield
        finally:
            await set_users(administrator)


# Who is not let in at all.


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SEGUE_BROKER_SASL_MECHANISM": "plain"}, ""),
        (
            {"SEGUE_BROKER_PASSWORD_FILE": "{wrong}"},
            "refuses user 'segue-worker' (SEGUE_BROKER_USER) with SCRAM-SHA-512",
        ),
        ({"SEGUE_BROKER_USER": "nobody"}, "refuses user 'nobody' (SEGUE_BROKER_USER) with SCRAM-SHA-512"),
        ({"SEGUE_BROKER_SASL_MECHANISM": "scram-sha-256"}, "does not take SCRAM-SHA-256"),
        ({"SEGUE_BROKER_CA_FILE": "{stranger}"}, "we do not know who vouches for its certificate"),
        ({"SEGUE_BROKER_CA_FILE": ""}, "put its CA's into SEGUE_BROKER_CA_FILE"),
        ({"SEGUE_BROKER": "{expired}"}, "its certificate is out of date"),
        ({"SEGUE_BROKER": "{elsewhere}"}, "its certificate is not for this host"),
        ({"SEGUE_BROKER": "{elsewhere}", "SEGUE_BROKER_CHECK_HOSTNAME": "false"}, "it closes the connection"),
        (MUTUAL, ""),
        (
            {**MUTUAL, "SEGUE_BROKER_CERT_FILE": "", "SEGUE_BROKER_KEY_FILE": ""},
            "a certificate (SEGUE_BROKER_CERT_FILE)",
        ),
        ({**MUTUAL, "SEGUE_BROKER": "{open}"}, "or no TLS at this port"),
        ({**MUTUAL, "SEGUE_BROKER": "{secured}"}, "does it want a user (sasl_ssl)"),
        ({**WITHOUT, "SEGUE_BROKER": "{secured}"}, "does it want TLS (ssl, sasl_ssl) or a user (sasl_ssl)"),
    ],
)
async def test_a_broker_that_does_not_let_us_in_says_why(site: Site, change: dict[str, str], said: str) -> None:
    (site.folder / "wrong").write_text("wrong")
    certificates = site.certificates
    async with (
        tls_front(site.kafka.port, serving(certificates.expired)) as expired,
        tls_front(site.kafka.port, serving(certificates.elsewhere)) as elsewhere,
    ):
        places = {
            "wrong": site.folder / "wrong",
            "stranger": certificates.stranger,
            "client": certificates.client,
            "key": certificates.client_key,
            "mutual": site.kafka.mutual,
            "secured": site.kafka.secured,
            "open": site.kafka.address,
            "expired": f"127.0.0.1:{expired}",
            "elsewhere": f"127.0.0.1:{elsewhere}",
        }
        changed = {name: value.format(**places) for name, value in change.items()}
        settings = load_settings(environ=site.environment("segue-worker", **changed))[0]
        if not said:
            assert await check_topics(settings, models=True) == []
            return
        with pytest.raises(ServiceError) as caught:
            await check_topics(settings, models=True)
    assert said in str(caught.value)
    assert PASSWORDS["segue-worker"] not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SEGUE_REDIS_PASSWORD_FILE": "{wrong}"}, "correct the user in SEGUE_REDIS and its password"),
        ({"SEGUE_REDIS_CA_FILE": "{stranger}"}, "put its CA's into SEGUE_REDIS_CA_FILE"),
        ({"SEGUE_REDIS": "rediss://segue-worker@127.0.0.1:{expired}/0"}, "its certificate is out of date"),
        ({"SEGUE_REDIS": "rediss://segue-worker@127.0.0.1:{elsewhere}/0"}, "its certificate is for another host"),
        ({"SEGUE_REDIS": "rediss://segue-worker@127.0.0.1:{open}/0"}, "does it speak TLS there"),
        (
            {"SEGUE_REDIS": "rediss://segue-worker@127.0.0.1:{mutual}/0"},
            "SEGUE_REDIS_CERT_FILE",
        ),
        (
            {
                "SEGUE_REDIS": "rediss://segue-worker@127.0.0.1:{mutual}/0",
                "SEGUE_REDIS_CERT_FILE": "{client}",
                "SEGUE_REDIS_KEY_FILE": "{key}",
            },
            "",
        ),
    ],
)
async def test_a_redis_that_does_not_let_us_in_says_why(site: Site, change: dict[str, str], said: str) -> None:
    (site.folder / "wrong").write_text("wrong")
    certificates, port = site.certificates, site.valkey.port
    async with (
        tls_front(port, serving(certificates.expired)) as expired,
        tls_front(port, serving(certificates.elsewhere)) as elsewhere,
        tls_front(port, serving(certificates.server, clients=certificates.ca)) as mutual,
    ):
        places = {
            "wrong": site.folder / "wrong",
            "stranger": certificates.stranger,
            "client": certificates.client,
            "key": certificates.client_key,
            "expired": expired,
            "elsewhere": elsewhere,
            "mutual": mutual,
            "open": port,
        }
        changed = {name: value.format(**places) for name, value in change.items()}
        settings = load_settings(environ=site.environment("segue-worker", **changed))[0]
        store = RedisStore(redis_url(settings), settings.app_id, patience_s=1)
        if not said:
            await store.start()
            await store.close()
            return
        with pytest.raises(ServiceError) as caught:
            await store.start()
    assert said in str(caught.value)
    assert REDIS_PASSWORD not in str(caught.value)


async def test_each_command_ends_with_what_keeps_it_out(site: Site) -> None:
    (site.folder / "wrong").write_text("wrong")
    no_user = {"SEGUE_BROKER_PASSWORD_FILE": site.folder / "wrong"}
    unknown = {"SEGUE_BROKER_CA_FILE": site.certificates.stranger}
    no_redis = {"SEGUE_REDIS_PASSWORD_FILE": site.folder / "wrong"}
    of_worker, of_http = partial(site.environment, "segue-worker"), partial(site.environment, "segue-http")
    rules = site.folder / "rules.yaml"
    attempts: list[tuple[dict[str, str], list[object], str]] = [
        (of_worker(**no_user), ["topics", "--check"], "correct SEGUE_BROKER_USER and SEGUE_BROKER_PASSWORD"),
        (of_worker(**unknown), ["worker", "--rules", rules], "put its CA's into SEGUE_BROKER_CA_FILE"),
        (of_worker(**no_redis), ["worker", "--rules", rules], "correct the user in SEGUE_REDIS and its password"),
        (of_http(**no_user), ["serve"], "correct SEGUE_BROKER_USER and SEGUE_BROKER_PASSWORD"),
        (of_http(**no_redis), ["serve"], "correct the user in SEGUE_REDIS and its password"),
    ]
    ended = await asyncio.gather(*(segue(environment, *words) for environment, words, _ in attempts))
    for (code, output), (_, _, said) in zip(ended, attempts, strict=True):
        assert (code, said in output.splitlines()[-1]) == (1, True), output
        assert "Traceback" not in output
