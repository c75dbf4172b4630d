"""Every place where a function of ours may wait, by name: read from the source, and from a coroutine that waits.

`take_over: parts.fence.own` is the await of `parts.fence.own(…)` in the function `take_over`. A name holds no line
number; where a function has two awaits of one name, the second is called `… (2)`.
"""

from __future__ import annotations

import ast
import functools
import gc
from collections import Counter
from pathlib import Path
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.producer import sender

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    from aiokafka.conn import AIOKafkaConnection

ROOT = Path(__file__).parents[2]
FILES = tuple(str(ROOT / "streams" / f"{name}.py") for name in ("takeover", "tenure", "publisher", "fence", "tail"))
"""Where the take-over, the commit and the publication are."""

SENDER = str(sender.__file__)
SENDING = "BaseHandler.do: self._sender.client.send"
"""Where a producer's own task waits for the broker's reply to what it published, or to what a fence asks for."""

CLIENTS = ("", "_client", "client", "_producer.client", "_right.producer.client")
"""How to come from an object whose method waits to the Kafka client that it waits for."""

_MOST = 40


class Await(NamedTuple):
    """A name, and the lines of the source that it spans."""

    name: str
    first: int
    last: int


def all_awaits() -> set[str]:
    """Return the name of each await of these files."""
    return {found.name for file in FILES for found in _awaits(file)}


def waits_at(coroutine: Any) -> tuple[str, ...]:
    """Return the awaits of these files that a suspended coroutine is in, outermost first."""
    names = (_name(frame.f_code, frame.f_lasti) for frame in _frames(coroutine))
    return tuple(name for name in names if name is not None)


def waits_for_redis(coroutine: Any) -> bool:
    """Whether a suspended coroutine waits for a connection to Redis."""
    return any("/site-packages/redis/" in frame.f_code.co_filename for frame in _frames(coroutine))


def connections_at(coroutine: Any) -> list[AIOKafkaConnection]:
    """Return the connections of the Kafka client that a suspended coroutine waits for."""
    for frame in reversed(list(_frames(coroutine))):
        for path in CLIENTS:
            found = frame.f_locals.get("self")
            for name in path.split(".") if path else ():
                found = getattr(found, name, None)
            if isinstance(found, AIOKafkaClient):
                return list(found._conns.values())  # noqa: SLF001 - there is no public way to break one
    return []


def _frames(coroutine: Any) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine, outermost first."""
    for _ in range(_MOST):
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None:
            yield frame
        coroutine = _inner(coroutine)
        if coroutine is None:
            return


def _inner(coroutine: Any) -> Any:
    """Return what a coroutine waits for, where that can be looked into."""
    inner = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    if type(inner).__name__ == "async_generator_asend":  # one step of an asynchronous generator; it does not say whose
        return next((one for one in gc.get_referents(inner) if isinstance(one, AsyncGeneratorType)), None)
    return inner


@functools.cache
def _name(code: CodeType, last: int) -> str | None:
    if code.co_filename == SENDER:
        return SENDING if SENDING.startswith(f"{code.co_qualname}: ") else None
    if code.co_filename not in FILES:
        return None
    line = list(code.co_positions())[last // 2][0] or 0
    inside = [one for one in _awaits(code.co_filename) if one.first <= line <= one.last]
    own = [one for one in inside if one.name.startswith(f"{code.co_qualname}: ")]
    return min(own, key=lambda one: one.last - one.first).name if own else None


@functools.cache
def _awaits(file: str) -> tuple[Await, ...]:
    return tuple(_walk(ast.parse(Path(file).read_text()), ""))


def _walk(top: ast.AST, function: str) -> Iterator[Await]:
    """Yield the awaits of one function or class, and of those in it."""
    seen: Counter[str] = Counter()
    left = list(ast.iter_child_nodes(top))
    while left:
        node = left.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _walk(node, f"{function}.{node.name}" if function else node.name)
            continue
        for one in _here(node):
            name = f"{function}: {one.name}"
            seen[name] += 1
            yield one._replace(name=name if seen[name] == 1 else f"{name} ({seen[name]})")
        left = [*ast.iter_child_nodes(node), *left]


def _here(node: ast.AST) -> Iterator[Await]:
    match node:
        case ast.Await(value=value):
            yield Await(_called(value), node.lineno, node.end_lineno or node.lineno)
        case ast.AsyncWith(items=items):
            for made in (item.context_expr for item in items):
                if _called(made) != "asyncio.timeout":  # which never waits
                    yield Await(f"async with {_called(made)}", made.lineno, made.end_lineno or made.lineno)
        case ast.AsyncFor(iter=walked):
            yield Await(f"async for {_called(walked)}", node.lineno, walked.end_lineno or node.lineno)


def _called(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)
