"""The way out, against receivers that mean harm: 127.0.0.1 is allowed here, 127.0.0.2 stands for what is not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook
from yarl import URL

from state.webhooks.endpoints import Endpoint
from streams.http.webhooks.addresses import AddressGuard
from streams.http.webhooks.delivering import delivering
from streams.http.webhooks.masks import masked
from streams.http.webhooks.outbound import NoReplyError, Outbound
from streams.http.webhooks.sender import HttpSender, seconds_of
from streams.http.webhooks.signing import make_secret
from tests.integration.pipeline import until
from tests.integration.webhook_site import changes_of, webhook_site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from streams.embedded import EmbeddedValkey
    from streams.http.webhooks.attempt import Outcome
    from tests.integration.conftest import Broker

    Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

pytestmark = [
    pytest.mark.embedded,  # no broker has a say in it
    pytest.mark.skipif(sys.platform == "darwin", reason="has no 127.0.0.2 unless one is added"),
]

GUARD = AddressGuard(["127.0.0.1/32"])
ALLOWED, REFUSED = "127.0.0.1", "127.0.0.2"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODY = b'{"type":"segment.entered"}'


class Receiver:
    """What somebody listens with: what came, and how often they were connected to."""

    def __init__(self, port: int, talk: Talk) -> None:
        self.port = port
        self.talk = talk
        self.connected = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
                self.bodies.append(await reader.readexactly(length))
                await self.talk(reader, writer)
                await writer.drain()
        writer.close()


def saying(*pieces: bytes, forever: bytes = b"", pause_s: float = 0.0, close: bool = False) -> Talk:
    """Answer with these pieces, then with one of them without end."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        while forever:
            writer.write(forever)
            await writer.drain()
            await asyncio.sleep(pause_s)
        if close:
            writer.close()

    return talk


@contextlib.asynccontextmanager
async def receiving(
    talk: Talk, host: str = ALLOWED, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    receiver = Receiver(port, talk)
    server = await asyncio.start_server(receiver.serve, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


class Names(AbstractResolver):
    """A DNS that answers each question about a name with the next of its addresses; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {"hostname": host, "host": one, "port": port, "family": family, "proto": 0, "flags": 0} for one in found
        ]

    async def close(self) -> None:
        """Do nothing."""


async def post(receiver: Receiver, *, within_s: float = 5.0, path: str = "/") -> tuple[int, bytes]:
    async with Outbound(GUARD) as outbound:
        reply = await outbound.post(URL(f"http://{ALLOWED}:{receiver.port}{path}"), {}, BODY, within_s=within_s)
    return reply.status, reply.body


async def failure(url: str, *, within_s: float = 5.0, names: AbstractResolver | None = None) -> tuple[str, str]:
    async with Outbound(GUARD, resolver=names) as outbound:
        with pytest.raises(NoReplyError) as found:
            await outbound.post(URL(url), {}, BODY, within_s=within_s)
    return found.value.failure, str(found.value)


# where to


async def test_a_body_is_posted_with_nothing_that_was_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{REFUSED}:9")
    async with receiving(saying(OK)) as receiver:
        assert await post(receiver, path="/segue?a=b") == (200, b"ok")
    head = receiver.heads[0].decode().split("\r\n")
    assert head[0] == "POST /segue?a=b HTTP/1.1"
    assert {line.partition(":")[0] for line in head[1:-2]} == {
        "Host", "User-Agent", "Accept", "Content-Length", "Content-Type",
    }  # fmt: skip
    assert any(line.startswith("User-Agent: segue/") for line in head)
    assert receiver.bodies == [BODY]


async def test_an_address_in_the_url_is_judged_though_nobody_looks_it_up() -> None:
    async with receiving(saying(OK), REFUSED) as receiver:
        for host in (REFUSED, "[::ffff:127.0.0.2]"):
            said, text = await failure(f"http://{host}:{receiver.port}/")
            assert (said, "loopback" in text) == ("address", True)
        for host in ("2130706434", "0x7f.2", "127.2"):
            said, _ = await failure(f"http://{host}:{receiver.port}/")
            assert said in {"address", "broken", "name"}
    assert receiver.connected == 0


async def test_a_name_that_leads_inside_is_refused() -> None:
    async with receiving(saying(OK), REFUSED) as receiver:
        for answers in ([REFUSED], ["::ffff:127.0.0.2"], ["10.0.0.1", REFUSED, "::1"]):
            said, text = await failure(f"http://hooks.example:{receiver.port}/", names=Names(answers))
            assert said == "address"
            assert text.startswith("hooks.example: ")
    assert receiver.connected == 0


async def test_a_name_that_leads_elsewhere_the_second_time_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.http.webhooks.outbound._NAMES_S", 0)
    close = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with receiving(saying(close, close=True)) as good, receiving(saying(OK), REFUSED, good.port) as inside:
        names = Names([ALLOWED], [REFUSED])
        url = URL(f"http://rebinding.example:{good.port}/")
        async with Outbound(GUARD, resolver=names) as outbound:
            statuses: list[int | str] = []
            for _ in range(3):
                try:
                    statuses.append((await outbound.post(url, {}, BODY)).status)
                except NoReplyError as error:
                    statuses.append(error.failure)
        assert statuses == [200, "address", "address"]
        assert (good.connected, inside.connected, len(names.asked)) == (1, 0, 3)


async def test_of_a_name_with_both_kinds_the_allowed_ones_are_used() -> None:
    async with receiving(saying(OK)) as good, receiving(saying(OK), REFUSED, good.port) as inside:
        async with Outbound(GUARD, resolver=Names([REFUSED, ALLOWED])) as outbound:
            assert (await outbound.post(URL(f"http://both.example:{good.port}/"), {}, BODY)).status == 200
        assert (good.connected, inside.connected) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with receiving(saying(OK), REFUSED) as inside:
        location = f"http://{REFUSED}:{inside.port}/".encode()
        answer = b"HTTP/1.1 %d Moved\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, location)
        async with receiving(saying(answer)) as receiver:
            outcome = await sent(receiver)
    assert (outcome.status, outcome.failure, outcome.good) == (status, "redirect", False)
    assert inside.connected == 0


async def test_a_connection_is_used_again_and_one_with_something_left_is_not() -> None:
    url = "http://hooks.example:{}/"
    async with receiving(saying(OK)) as tidy, Outbound(GUARD, resolver=Names([ALLOWED])) as outbound:
        for _ in range(3):
            await outbound.post(URL(url.format(tidy.port)), {}, BODY)
        assert tidy.connected == 1
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    async with receiving(saying(long)) as wordy, Outbound(GUARD, resolver=Names([ALLOWED])) as outbound:
        for _ in range(3):
            assert (await outbound.post(URL(url.format(wordy.port)), {}, BODY)).body == b"x" * 1024
        assert wordy.connected == 3
    async with receiving(saying(OK + OK)) as pushy, Outbound(GUARD, resolver=Names([ALLOWED])) as outbound:
        for _ in range(2):
            assert (await outbound.post(URL(url.format(pushy.port)), {}, BODY)).status == 200
        assert pushy.connected == len(pushy.bodies) == 2  # the answer that nobody asked for answers nothing


async def test_no_cookie_is_kept() -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n")
    async with receiving(saying(answer)) as receiver, Outbound(GUARD, resolver=Names([ALLOWED])) as outbound:
        for _ in range(2):
            await outbound.post(URL(f"http://hooks.example:{receiver.port}/"), {}, BODY)
    assert b"Cookie" not in b"".join(receiver.heads)


# what does not come back


async def test_what_cannot_be_reached_is_named() -> None:
    class Nobody(Names):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with socket.create_server((ALLOWED, 0)) as taken:
        port = taken.getsockname()[1]
    assert (await failure(f"http://{ALLOWED}:{port}/"))[0] == "refused"
    said, text = await failure(f"http://nowhere.example:{port}/x?token=s3cret", names=Nobody([]))
    assert said == "name"
    assert "s3cret" not in text
    assert (await failure(f"http://unknown.invalid:{port}/"))[0] == "name"  # asked of the system


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate of hooks.example, which nobody but itself vouches for, and its key."""
    certificate, key = (tmp_path_factory.mktemp("tls") / name for name in ("certificate.pem", "key.pem"))
    words = f"req -x509 -newkey rsa:2048 -nodes -days 1 -keyout {key} -out {certificate} -subj /CN=hooks.example"
    subprocess.run(
        ["openssl", *words.split(), "-addext", "subjectAltName=DNS:hooks.example"], check=True, capture_output=True
    )
    return certificate, key


async def test_a_certificate_is_believed_where_somebody_trusted_vouches_for_that_name(pair: tuple[Path, Path]) -> None:
    certificate, key = pair
    served, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(certificate))
    served.load_cert_chain(certificate, key)
    tried = []
    async with receiving(saying(OK), tls=served) as receiver:
        for name, tls in (("hooks.example", None), ("other.example", trusting), ("hooks.example", trusting)):
            async with Outbound(GUARD, resolver=Names([ALLOWED]), tls=tls) as outbound:
                try:
                    reply = await outbound.post(URL(f"https://{name}:{receiver.port}/"), {}, BODY)
                    tried.append(str(reply.status))
                except NoReplyError as error:
                    tried.append(f"{error.failure}: {error}"[:50])
    doubt = "tls: its certificate is not to be believed: "
    assert [text.startswith(doubt) for text in tried] == [True, True, False], tried
    assert tried[2] == "200"


@pytest.mark.parametrize(
    ("talk", "expected"),
    [
        (saying(pause_s=60, forever=b""), "timeout"),
        (saying(b"HTTP/1.1 200 OK\r\n", forever=b"x: y\r\n", pause_s=0.02), "timeout|broken"),
        (saying(forever=b"HTTP/1.1 100 Continue\r\n\r\n"), "timeout"),
        (saying(b"HTTP/1.1 200 OK\r\n", forever=b"x: %s\r\n" % (b"y" * 1000)), "broken"),
        (saying(b"HTTP/1.1 200 OK\r\nx: ", forever=b"y" * 60_000), "broken"),
        (saying(b"HTTP/1.1 200 ", forever=b"y" * 60_000), "broken"),
        (saying(forever=b"y" * 60_000), "broken"),
        (saying(b"SSH-2.0-OpenSSH_9.6\r\n", close=True), "broken"),
        (saying(close=True), "broken"),
        (saying(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "broken"),
        (saying(b"HTTP/1.1 200 OK\r\n", close=True), "broken"),
    ],
    ids=[
        "silent", "dripping", "continue for ever", "many headers", "a long header", "a long status", "noise", "ssh",
        "hangs up", "http/2", "half a head",
    ],
)  # fmt: skip
async def test_an_answer_that_never_comes_right_ends_and_takes_no_memory(talk: Talk, expected: str) -> None:
    async with receiving(talk) as receiver:
        tracemalloc.start()
        said, _ = await failure(f"http://{ALLOWED}:{receiver.port}/", within_s=1.0)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert said in expected.split("|")
    assert most < 2 * 1024 * 1024, most


@pytest.mark.parametrize(
    ("talk", "body"),
    [
        (saying(b"HTTP/1.1 200 OK\r\n\r\n", forever=b"z" * 60_000), b"z" * 1024),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", forever=b"z" * 60_000), b"z" * 1024),
        (saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", forever=b"2\r\nzz\r\n"), b"z" * 1024),
        (saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;", forever=b"z" * 60_000), b""),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nzz"), b"zz"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nzz", close=True), b"zz"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nzz"), b"zz"),
        (saying(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nzz"), b"zz"),
        (saying(b"HTTP/1.1 204 No Content\r\n\r\n"), b""),
    ],
    ids=[
        "endless",
        "endless by length",
        "chunks",
        "a chunk's extension",
        "stops",
        "breaks",
        "no gzip",
        "hints first",
        "none",
    ],
)
async def test_a_body_is_read_to_1_kib_and_counts_for_nothing(
    talk: Talk, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.http.webhooks.outbound._BODY_S", 0.3)
    async with receiving(talk) as receiver:
        tracemalloc.start()
        status, read = await post(receiver)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (status // 100, read) == (2, body)
    assert most < 2 * 1024 * 1024, most


async def test_a_name_that_hangs_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    known, released = socket.getaddrinfo, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(host: str, *words: Any, **options: Any) -> Any:
        if host.startswith("hanging"):
            asyncio.run_coroutine_threadsafe(released.wait(), loop).result()
        return known(ALLOWED, *words, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    async with receiving(saying(OK)) as receiver, Outbound(GUARD) as outbound:
        hanging = [
            asyncio.create_task(outbound.post(URL(f"http://hanging{n}.example:{receiver.port}/"), {}, BODY))
            for n in range(50)
        ]
        await asyncio.sleep(0)
        assert (await outbound.post(URL(f"http://good.example:{receiver.port}/"), {}, BODY)).status == 200
        assert not any(task.done() for task in hanging)
        released.set()
        assert {reply.status for reply in await asyncio.gather(*hanging)} == {200}


# the sender


def endpoint(url: str, **more: object) -> Endpoint:
    return Endpoint(id="ep_1", url=url, secret=make_secret(), created_ms=0, **more)  # type: ignore[arg-type]  # a test's


async def sent(receiver: Receiver, *, http: bool = True, at_s: int | None = None, **more: object) -> Outcome:
    one = endpoint(f"http://{ALLOWED}:{receiver.port}/", **more)
    async with Outbound(GUARD) as outbound:
        sender = HttpSender(outbound, GUARD, http=http, within_s=5)
        return await sender.send(one, "d-1", BODY, at_s=int(time.time()) if at_s is None else at_s)


async def test_what_is_sent_is_verified_by_the_library() -> None:
    now_s = int(time.time())
    async with receiving(saying(OK)) as receiver, Outbound(GUARD) as outbound:
        sender = HttpSender(outbound, GUARD, http=True)
        old = make_secret()
        one = endpoint(
            f"http://{ALLOWED}:{receiver.port}/",
            headers={"Authorization": "Bearer abc", "webhook-id": "forged"},
            previous_secret=old,
            rotated_ms=1_000 * now_s - 86_399_000,
        )
        for at_s in (now_s, now_s + 1):
            outcome = await sender.send(one, "d-1", BODY, at_s=at_s)
            assert (outcome.status, outcome.failure, outcome.shown, outcome.good) == (200, None, "ok", True)
    first, second = (
        {name.lower(): value for name, _, value in (line.partition(": ") for line in head.decode().split("\r\n")[1:-2])}
        for head in receiver.heads
    )
    assert first["webhook-id"] == second["webhook-id"] == "d-1"
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == (str(now_s), str(now_s + 1))
    assert first["content-type"] == "application/json"
    assert first["authorization"] == "Bearer abc"
    for secret in (one.secret, old):
        assert Webhook(secret).verify(receiver.bodies[0], first) == {"type": "segment.entered"}
    assert Webhook(one.secret).verify(receiver.bodies[1], second)
    assert " " not in second["webhook-signature"]  # a day after the rotation


async def test_whatever_goes_wrong_is_an_outcome() -> None:
    async with receiving(saying(OK)) as receiver:
        assert (await sent(receiver, http=False)).failure == "address"
    assert (await sent(receiver)).failure == "refused"
    async with receiving(saying(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nlater")) as receiver:
        outcome = await sent(receiver)
        assert (outcome.status, outcome.failure, outcome.retry_after_s, outcome.shown) == (503, None, 7.0, "later")


async def test_of_what_comes_back_little_is_shown_and_no_secret() -> None:
    text = b'{"you sent":"Bearer abcdefghij","x":"\x00\xff"}' + b"y" * 500
    async with receiving(saying(b"HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n" % len(text) + text)) as receiver:
        outcome = await sent(receiver, headers={"Authorization": "Bearer abcdefghij"})
    assert outcome.shown.startswith('{"you sent":"***","x":" \ufffd"}yyy')
    assert len(outcome.shown) == 201


async def test_on_services_those_that_lead_inside_wait_and_hold_up_nobody(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.http.webhooks.outbound._NAMES_S", 0)
    async with contextlib.AsyncExitStack() as stack:
        site = await stack.enter_async_context(webhook_site(broker, valkey, topic_prefix, app_id))
        good = await stack.enter_async_context(receiving(saying(OK)))
        closing = saying(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), close=True)
        rebinding = await stack.enter_async_context(receiving(closing))
        inside = await stack.enter_async_context(receiving(saying(OK), REFUSED, rebinding.port))
        elsewhere = f"http://{REFUSED}:{inside.port}/".encode()
        answer = b"HTTP/1.1 307 Moved\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % elsewhere
        moved = await stack.enter_async_context(receiving(saying(answer)))
        names = Names([ALLOWED], [REFUSED])
        outbound = await stack.enter_async_context(Outbound(GUARD, resolver=names))
        await site.add("ep_moved", url=f"http://{ALLOWED}:{moved.port}/", secret=make_secret())
        await site.add("ep_rebinding", url=f"http://rebinding.example:{rebinding.port}/", secret=make_secret())
        await site.add("ep_good", url=f"http://{ALLOWED}:{good.port}/", secret=make_secret())
        await site.write(changes_of(1, 3))
        sender = HttpSender(outbound, GUARD, http=True)
        await stack.enter_async_context(
            delivering(site.pipeline.settings, lambda: site.producer, sender, CollectorRegistry())
        )
        await until(lambda: len(good.bodies) == 3 and bool(moved.bodies) and len(names.asked) >= 2)
        stood = {}
        for name in ("ep_moved", "ep_rebinding"):
            while not (standing := await site.deliveries.standing(name)).again:  # noqa: ASYNC110 - Redis tells no one
                await asyncio.sleep(0.02)
            stood[name] = standing.done, standing.waiting, json.loads(standing.last)["failure"]
        assert stood == {"ep_moved": (0, 3, "redirect"), "ep_rebinding": (1, 2, "address")}
        assert (inside.connected, rebinding.connected) == (0, 1)


def test_words_and_beginnings_are_masked_too() -> None:
    assert masked("a Bearer abcdefgh b", ("Bearer abcdefgh",)) == "a *** b"
    assert masked("token=abcdefgh", ("Bearer abcdefgh",)) == "token=***"
    assert masked("cut off: abcdef", ("Bearer abcdefgh",)) == "cut off: ***"
    assert masked("on or off", ("on",)) == "on or off"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 5000, 31_536_000.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:30 GMT", 0.0),
        ("Thu, 01 Jan 9999 00:00:30 GMT", 31_536_000.0),
        ("Thu, 01 Jan 99999 00:00:30 GMT", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header, 60.0) == seconds
