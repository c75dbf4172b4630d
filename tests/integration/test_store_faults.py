"""The store in Redis when something fails: a commit happens whole and once, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from rules.errors import AccessError, Fenced, SegueError, ServiceError, StateError
from state import scripts
from state.connect import REPLY_TIMEOUT_S
from state.redis import RedisStore
from tests.conformance.store import Tenure, everything, take_over, with_content
from tests.integration.flaky import Fault, FlakyProxy
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.embedded import EmbeddedValkey

ANOTHER_TYPE = {
    "string": ("SET", "x"),
    "list": ("RPUSH", "x"),
    "hash": ("HSET", "x", "y"),
    "set": ("SADD", "x"),
    "zset": ("ZADD", "1", "x"),
}
OURS = {"head": "hash", "due": "zset", "outbox": "list", "sizes": "hash", "views": "set"}
CALLED = re.compile(rb"(?:redis\.call|sliced)\('([A-Z]+)'")


@pytest.fixture
async def raw(valkey: EmbeddedValkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
async def store(valkey: EmbeddedValkey, app_id: str) -> AsyncIterator[RedisStore]:
    async for store in opened(valkey.url, app_id):
        yield store


@pytest.fixture
async def proxy(valkey: EmbeddedValkey) -> AsyncIterator[FlakyProxy]:
    async with FlakyProxy(valkey.url) as proxy:
        yield proxy


@pytest.fixture
async def shaky(proxy: FlakyProxy, app_id: str) -> AsyncIterator[RedisStore]:
    """Yield a store that reaches its server through the proxy."""
    async for store in opened(f"{proxy.url}?socket_timeout=0.3", app_id):
        yield store


async def opened(url: str, app_id: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, app_id, patience_s=5)
    await store.start()
    yield store
    await store.drop()
    await store.close()


async def dump(raw: Redis, app_id: str) -> dict[bytes, Any]:
    """Return every key of the app with its bytes."""
    return {key: await raw.dump(key) for key in sorted(await keys_of(raw, app_id))}


async def send(raw: Redis, *command: str) -> None:
    """Send any command."""
    async with raw.pipeline(transaction=False) as pipe:
        pipe.execute_command(*command)
        await pipe.execute()


async def keys_of(raw: Redis, app_id: str) -> list[bytes]:
    """Return the app's keys."""
    return [key async for key in raw.scan_iter(f"{app_id}:*")]


def whole(tenure: Tenure, **parts: Any) -> Any:
    """Return a commit that makes use of every part."""
    content: dict[str, Any] = {
        "profiles": {"c1": b"new", "c3": b"3"},
        "due": {"c1": 300, "c2": None},
        "sizes": {"vip": -2, "new": 4},
        "outbox": [b"third"],
        "views": ["c3"],
        "viewed": ["c1"],
        "published": 1,
        "marker": 6,
        "topics": {"customer-events": "id-2"},
    }
    return tenure.next(**{**content, **parts})


async def writes_nothing(store: RedisStore, raw: Redis, app_id: str, commit: Any, error: type[SegueError]) -> str:
    """Assert that the commit fails with this error and leaves every key as it was; return the error's text."""
    before = await dump(raw, app_id)
    with pytest.raises(error) as caught:
        await store.commit(commit)
    assert await dump(raw, app_id) == before
    return str(caught.value)


@pytest.mark.parametrize(
    ("family", "other"),
    [pytest.param(f, o, id=f"{f}:{o}") for f, right in OURS.items() for o in ANOTHER_TYPE if o != right],
)
async def test_a_key_of_another_type_is_found_before_the_first_write(
    store: RedisStore, raw: Redis, app_id: str, family: str, other: str
) -> None:
    tenure = await with_content(store)
    key = f"{app_id}:{{7}}:{family}"
    await raw.delete(key)
    command, *values = ANOTHER_TYPE[other]
    await send(raw, command, key, *values)
    text = await writes_nothing(store, raw, app_id, whole(tenure), StateError)
    assert f"{key} is a {other} instead of a {OURS[family]}" in text


@pytest.mark.parametrize("field", ["epoch", "number", "ruleset", "offset"])
async def test_a_head_that_is_no_number_is_found_before_the_first_write(
    store: RedisStore, raw: Redis, app_id: str, field: str
) -> None:
    tenure = await with_content(store)
    await raw.hset(f"{app_id}:{{7}}:head", field, "x1")
    await writes_nothing(store, raw, app_id, whole(tenure), StateError)
    with pytest.raises(StateError, match="no head of a partition"):
        await store.head(7)


@pytest.mark.parametrize("size", ["x", "1.5", "9007199254740993"])
async def test_a_size_that_is_no_number_is_found_before_the_first_write(
    store: RedisStore, raw: Redis, app_id: str, size: str
) -> None:
    tenure = await with_content(store)
    await raw.hset(f"{app_id}:{{7}}:sizes", "new", size)
    assert "the size of new" in await writes_nothing(store, raw, app_id, whole(tenure), StateError)


@pytest.mark.parametrize("due_ms", [2**53 + 1, -(2**60)])
async def test_an_instant_that_scores_cannot_hold_is_refused(
    store: RedisStore, raw: Redis, app_id: str, due_ms: int
) -> None:
    tenure = await with_content(store)
    text = await writes_nothing(store, raw, app_id, whole(tenure, due={"c1": 5, "c9": due_ms}), StateError)
    assert str(due_ms) in text


@pytest.mark.parametrize("command", sorted({name.decode() for name in CALLED.findall(scripts.COMMIT.source)}))
async def test_a_command_that_the_user_may_not_run_is_found_before_the_first_write(
    store: RedisStore, raw: Redis, valkey: EmbeddedValkey, app_id: str, command: str
) -> None:
    """The server refuses every call of this command, wherever in the script it stands."""
    tenure = await with_content(store)
    await send(raw, "ACL", "SETUSER", app_id, "on", ">word", "~*", "+@all", f"-{command}")
    limited = RedisStore(f"redis://{app_id}:word@{valkey.address}/0", app_id)
    try:
        await limited.start()
        text = await writes_nothing(limited, raw, app_id, whole(tenure), ServiceError)
    finally:
        await limited.close()
        await send(raw, "ACL", "DELUSER", app_id)
    assert "word" not in text
    await store.commit(whole(tenure))


async def test_all_that_reads_comes_before_the_first_write(
    store: RedisStore, raw: Redis, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error injected at each call in turn: nothing is written until every reading call has succeeded."""
    tenure = await with_content(store)
    reading = {b"TYPE", b"HMGET", b"HGET", b"LLEN"}
    called: list[bytes] = []
    before = await dump(raw, app_id)
    for nth in range(1, 100):
        monkeypatch.setattr(scripts, "COMMIT", Injected(scripts.Script("commit").source, nth))
        try:
            await store.commit(whole(tenure))
        except StateError as error:
            called.append(str(error).partition("INJECTED ")[2].split()[0].encode())
        else:
            break
        if called[-1] in reading:
            assert await dump(raw, app_id) == before, f"call {nth} reads after a write"
        else:
            await restore(raw, before, await keys_of(raw, app_id))
    assert set(called) == set(CALLED.findall(scripts.Script("commit").source))
    first_write = next(at for at, command in enumerate(called) if command not in reading)
    assert reading.isdisjoint(called[first_write:])


class Injected(scripts.Script):
    """A commit script in which the nth call raises."""

    def __init__(self, source: bytes, nth: int) -> None:
        double = b"""local real, calls = redis, 0
local redis = setmetatable({ call = function(command, ...)
  calls = calls + 1
  if calls == %d then error({ err = 'STATE INJECTED ' .. command .. ' ' }) end
  return real.call(command, ...)
end }, { __index = real })
"""
        first, _, rest = source.partition(b"\n")
        self.source = first + b"\n" + double % nth + rest
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()


async def restore(raw: Redis, content: dict[bytes, Any], present: list[bytes]) -> None:
    """Put every key back as it was."""
    await raw.delete(*present)
    for key, value in content.items():
        await raw.restore(key, 0, value)


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
async def test_a_commit_is_applied_once_whatever_is_lost(shaky: RedisStore, proxy: FlakyProxy, fault: Fault) -> None:
    tenure = await with_content(shaky)
    token = secrets.token_hex(8)
    proxy.inject(fault, token.encode(), times=3)
    await shaky.commit(whole(tenure, token=token))
    assert proxy.left == 0
    assert await shaky.outbox(7) == [b"second", b"third"]
    assert await shaky.sizes([7]) == {"new": 5}
    assert (await shaky.head(7)).number == 2


async def test_a_commit_that_is_cancelled_ends_and_leaves_the_store_usable(store: RedisStore) -> None:
    """A tenure that ends cancels what it is at, at any moment."""
    tenure = await take_over(store)

    async def commit_on() -> None:
        while True:
            tenure.number = (await store.head(7)).number
            await tenure.commit(next_offset=tenure.offset, profiles=dict.fromkeys("abc", b"x" * 1000))

    for pause in range(100):
        committing = asyncio.create_task(commit_on())
        await asyncio.sleep(pause / 20_000)
        committing.cancel()
        done, _ = await asyncio.wait([committing], timeout=5)
        assert done, "the cancellation was swallowed"
        assert committing.cancelled()
    assert await store.load(7, ["a"]) == [b"x" * 1000]


async def test_a_take_over_whose_reply_was_lost_returns_the_epoch_that_holds(
    shaky: RedisStore, proxy: FlakyProxy
) -> None:
    proxy.inject(Fault.LOSE_REPLY, scripts.TAKE_OVER.sha.encode(), times=2)
    tenure = await take_over(shaky)
    assert (await shaky.head(7)).epoch == tenure.epoch == 3
    await tenure.commit()


async def test_an_activation_whose_reply_was_lost_counts_once(shaky: RedisStore, proxy: FlakyProxy) -> None:
    proxy.inject(Fault.LOSE_REPLY, scripts.ACTIVATE.sha.encode(), times=2)
    assert (await shaky.activate("aaa", "source")).number == 1


async def test_a_wrong_password_is_told_at_once_and_not_shown(valkey: EmbeddedValkey, app_id: str) -> None:
    store = RedisStore(f"redis://user:secret@{valkey.address}/0", app_id, patience_s=10 * PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(AccessError, match="correct the user in SEGUE_REDIS and its password") as caught:
            await store.start()
    assert "secret" not in str(caught.value)


async def test_nobody_listening_is_an_error_that_names_address_and_remedy(app_id: str) -> None:
    store = RedisStore("redis://user:secret@127.0.0.1:1/3", app_id, patience_s=0.2)
    with pytest.raises(ServiceError, match=r"redis://127.0.0.1:1/3 within 0.2 s .*; start it, or correct SEGUE_REDIS"):
        await store.start()


async def test_a_zombie_on_another_connection_is_fenced(store: RedisStore, valkey: EmbeddedValkey, app_id: str) -> None:
    zombie = await with_content(store)
    async for other in opened(valkey.url, app_id):
        owner = await take_over(other)
        before = await everything(other)
        with pytest.raises(Fenced, match="epoch 1 does not fit the stored 2"):
            await zombie.commit(outbox=[b"zombie"])
        assert await everything(other) == before
        await owner.commit(outbox=[b"owner"])


async def test_a_forgotten_script_is_loaded_again(store: RedisStore, raw: Redis) -> None:
    tenure = await with_content(store)
    await raw.script_flush()
    await tenure.commit(outbox=[b"third"])
    await raw.script_flush()
    assert (await store.take_over(7)).epoch == 2
    assert await store.outbox(7) == [b"first", b"second", b"third"]


async def test_drop_leaves_other_apps_alone(store: RedisStore, raw: Redis, valkey: EmbeddedValkey, app_id: str) -> None:
    await raw.set(f"{app_id}x:rules", "not ours")
    await raw.set(f"{app_id}", "not ours")
    await with_content(store)
    await (globs := RedisStore(valkey.url, f"{app_id[:-1]}?")).start()
    await globs.drop()
    await globs.close()
    assert await store.outbox(7) == [b"first", b"second"]
    await store.drop()
    assert sorted(await raw.keys(f"{app_id}*")) == [app_id.encode(), f"{app_id}x:rules".encode()]
    await raw.delete(app_id, f"{app_id}x:rules")


async def test_a_view_that_somebody_else_wrote_is_compared_or_replaced(
    store: RedisStore, raw: Redis, app_id: str
) -> None:
    await raw.mset(
        {
            f"{app_id}:customer:larger": b'{"seq":1, "rev": 9}',
            f"{app_id}:customer:smaller": b'{"inner":{"rev":9},"rev":3}',
            f"{app_id}:customer:broken": b"{",
            f"{app_id}:customer:number": b"12",
            f"{app_id}:customer:word": b'{"rev":"x"}',
        }
    )
    ids = ["larger", "smaller", "broken", "number", "word"]
    await store.write_views(dict.fromkeys(ids, (4, b'{"rev":4}')))
    assert [await store.view(customer) for customer in ids] == [b'{"seq":1, "rev": 9}'] + [b'{"rev":4}'] * 4


async def test_a_server_that_hangs_is_not_waited_for_beyond_patience(app_id: str) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4_096):
            pass
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = RedisStore(f"redis://127.0.0.1:{port}/0", app_id, patience_s=1)
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                with pytest.raises(ServiceError, match=r"no answer from .* within 1 s"):
                    await store.view("c1")
        finally:
            await store.close()
