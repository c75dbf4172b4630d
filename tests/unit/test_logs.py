"""Lines of the log: one object each where JSON is wanted, and nothing of an event in any."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rules.errors import EventRejected, ServiceError
from streams.logs import TEXT, Calm, JsonFormatter, TextFormatter, log_loops_errors, trace_of
from tests.unit.test_batch import ENGINE, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from state.event import Event
    from state.profile import Profile

ROOT = Path(__file__).parents[2]
QUOTED = "the-body-of-an-event"

FORMATTERS = {"text": TextFormatter(TEXT), "json": JsonFormatter()}

PAYLOAD = {
    "body", "change", "changes", "customer", "customer_id", "customers", "event", "events", "headers", "payload",
    "password", "profile", "properties", "record", "records", "secret", "token", "traits", "url", "user_id", "value",
    "values",
}  # fmt: skip
"""What no call may log above `debug`, by the names that such things have here."""


@pytest.fixture(params=FORMATTERS)
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Yield what is logged at `info` and above, formatted as a worker does."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(FORMATTERS[request.param])
    handler.setLevel(logging.INFO)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield written
    finally:
        root.removeHandler(handler)


def line_of(**options: Any) -> dict[str, Any]:
    record = logging.makeLogRecord({"name": "streams.hold", "levelname": "WARNING", "created": 1.5} | options)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_json_has_an_object_a_line_with_its_fields() -> None:
    line = line_of(msg="partition %d: %s\n", args=(3, "é"), partition=3, seconds=1.5, path=Path("a"))
    assert line == {
        "ts": "1970-01-01T00:00:01.500Z",
        "level": "warning",
        "logger": "streams.hold",
        "message": "partition 3: é\n",
        "partition": 3,
        "seconds": 1.5,
        "path": "a",
    }


def test_what_json_can_hardly_say_is_said_all_the_same() -> None:
    line = line_of(msg="%s", args=("\ud800",), offset=2**70)
    assert (line["message"], line["offset"]) == ("\ud800", 2**70)


def test_a_trace_has_the_way_and_the_kinds_but_words_of_services_only() -> None:
    def fail() -> None:
        try:
            raise ValueError(QUOTED)
        except ValueError as error:
            message = "the broker is away"
            raise ServiceError(message) from error

    with pytest.raises(ServiceError) as raised:
        fail()
    trace = trace_of(raised.value)
    assert QUOTED not in trace
    assert trace.index("ValueError") < trace.index("led to") < trace.index("ServiceError: the broker is away")
    assert trace.count("in fail") == 2
    assert QUOTED not in trace_of(EventRejected("bad", QUOTED))


async def test_what_nobody_waited_for_is_logged_without_its_words(lines: io.StringIO) -> None:
    async def fail() -> None:
        raise ValueError(QUOTED)

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    context = {"message": "never retrieved", "exception": task.exception(), "task": task}
    log_loops_errors(asyncio.get_running_loop(), context)
    assert "never retrieved" in lines.getvalue()
    assert "ValueError" in lines.getvalue()
    assert QUOTED not in lines.getvalue()


class Broken:
    """An engine that raises what quotes all it was given."""

    def __init__(self) -> None:
        self.version = "another"

    def __getattr__(self, name: str) -> Any:
        return getattr(ENGINE, name)

    def apply(self, profile: Profile, event: Event) -> None:
        raise ValueError((QUOTED, profile.customer, event.body))

    def advance(self, profile: Profile, before_ms: int) -> None:
        raise ValueError((QUOTED, profile.customer, before_ms))

    def adopt(self, profile: Profile, at_ms: int) -> None:
        raise ValueError((QUOTED, profile.customer, at_ms))


async def test_an_engine_that_fails_puts_nothing_of_the_event_into_the_log(lines: io.StringIO) -> None:
    bench = Bench()
    batch = bench.batch()
    batch._engine = Broken()  # type: ignore[assignment]  # noqa: SLF001 - the one way to have it fail
    await bench.apply(batch, [bench.event("mrs-smith", 1_000, name=QUOTED)])
    await batch.advance(["mrs-smith"], 2_000)
    await batch.adopt(["mrs-smith"], 3_000)
    said = lines.getvalue()
    assert said.count("test_logs.py") == 3, "each has its trace"
    assert said.count("ValueError") == 6, "the line that raised it, and its kind"
    assert QUOTED not in said
    assert "mrs-smith" not in said


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call that logs above `debug`, with its place."""
    levels = {"info", "warning", "error", "exception", "critical"}
    for package in ("rules", "state", "streams"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in levels
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id in {"log", "logger"}
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def last_names(node: ast.AST) -> Iterator[str]:
    """Yield the names that an expression shows: of `record.offset` it is `offset`."""
    match node:
        case ast.Attribute():
            yield node.attr
        case ast.Name():
            yield node.id
        case ast.Call(func=ast.Name(id="len" | "type")):
            return
        case _:
            for child in ast.iter_child_nodes(node):
                yield from last_names(child)


def test_a_line_of_the_client_comes_once_in_a_while() -> None:
    calm = Calm(pause_s=10)

    def passes(at_s: float, name: str, text: str) -> bool:
        record = logging.makeLogRecord({"name": name, "msg": text, "created": at_s})
        return bool(calm.filter(record))

    assert [passes(at_s, "aiokafka", "cannot connect") for at_s in (0, 0.1, 9.9, 10, 19, 20)] == [1, 0, 0, 1, 0, 1]
    assert passes(0.2, "aiokafka", "cannot connect to another")
    assert all(passes(0, "streams.hold", "partition 3 failed") for _ in range(3))


def test_no_call_logs_a_payload() -> None:
    found = list(calls())
    assert len(found) > 40
    guilty = {
        place: names
        for place, call in found
        if (names := {name for part in [*call.args[1:], *call.keywords] for name in last_names(part)} & PAYLOAD)
    }
    assert guilty == {}


def test_a_call_that_would_is_found() -> None:
    call = ast.parse("log.info('%s %d %s', record.value, len(events), {'of': f'{event.customer}'})").body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    assert {name for part in call.value.args[1:] for name in last_names(part)} & PAYLOAD == {"value", "customer"}
