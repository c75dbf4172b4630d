"""A worker as a process of its own, in this event loop: it can be stopped, killed or let go on wherever it waits.

Every task begun in a stand-in's context belongs to it, those of the clients that it starts among them. Standing still,
none of them takes a step, as when a process gets SIGSTOP; what it sent is on its way, what it is sent waits for it.
No hook in the product is needed: the event loop's task factory puts `_Driven` around every coroutine of a stand-in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from aiokafka.conn import CloseReason

from tests.chaos.awaits import connections_at, waits_at, waits_for_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context

    Step = Generator[Any, Any, Any]
    Meeting = Callable[["Wait"], BaseException | None]


KILL_S = 4.0
"""After so long what has not ended is cancelled again: longer than producers take that cannot deliver."""


class Wait:
    """One suspension: the awaits that the task is in, outermost first."""

    def __init__(self, awaits: tuple[str, ...], coroutine: Coroutine[Any, Any, Any]) -> None:
        """`coroutine` is the outermost of the task that waits."""
        self.awaits = awaits
        self._coroutine = coroutine

    def lose_reply(self) -> BaseException | None:
        """Break the connection that is waited for, or return the error that says so; what was asked is on its way."""
        for connection in connections_at(self._coroutine) or ():
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
        return ConnectionResetError("the connection broke") if waits_for_redis(self._coroutine) else None


class StandIn:
    """Tasks that live and die together."""

    def __init__(self, meet: Meeting | None = None) -> None:
        """`meet` is asked at each wait that has a name; what it returns is raised there, in place of the reply."""
        self.waits: list[tuple[str, ...]] = []
        self.meet = meet
        self._stands_still = False
        self._held: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a task of the stand-in."""
        context = copy_context()
        context.run(_current.set, self)
        return asyncio.get_running_loop().create_task(coroutine, context=context)

    def be_this_process(self) -> None:
        """Let all that this context begins from now on belong to it."""
        _current.set(self)

    def stop(self) -> None:
        """Let it stand still, from this moment on."""
        self._stands_still = True

    def go_on(self) -> None:
        """Let it go on as if nothing had been."""
        self._stands_still = False
        held, self._held = self._held, []
        for future in held:
            if not future.done():
                future.set_result(None)

    async def kill(self) -> None:
        """End all its tasks where they stand, the senders of its clients with them: nothing more is delivered."""
        self._stands_still = False
        while left := [task for task in self._tasks if not task.done()]:
            for task in left:
                task.cancel()
            self.go_on()
            await asyncio.wait(left, timeout=KILL_S)

    def began(self, task: asyncio.Task[Any]) -> None:
        """Note a task of this stand-in; the task factory says so."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def met(self, coroutine: Coroutine[Any, Any, Any]) -> BaseException | None:
        """Note a wait; return what is to be raised there."""
        awaits = waits_at(coroutine)
        if not awaits:
            return None
        wait = Wait(awaits, coroutine)
        self.waits.append(awaits)
        return self.meet(wait) if self.meet is not None else None

    def hold(self) -> asyncio.Future[None] | None:
        """Return what a task has to wait for before its next step, None where it may take it."""
        if not self._stands_still:
            return None
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held.append(future)
        return future


_current: ContextVar[StandIn | None] = ContextVar("stand-in", default=None)


def task_factory(
    loop: asyncio.AbstractEventLoop, coroutine: Any, *, context: Context | None = None
) -> asyncio.Task[Any]:
    """Make a task as asyncio does; of a stand-in's it drives the coroutine."""
    stand_in = _current.get() if context is None else context.get(_current)
    if stand_in is None:
        return asyncio.Task(coroutine, loop=loop, context=context)
    task: asyncio.Task[Any] = asyncio.Task(_Driven(coroutine, stand_in), loop=loop, context=context)
    stand_in.began(task)
    return task


class _Driven(Coroutine[Any, Any, Any]):
    """A coroutine whose every suspension is met."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], stand_in: StandIn) -> None:
        self._coroutine = coroutine
        self._stand_in = stand_in
        self._steps: Step | None = None

    @property
    def cr_frame(self) -> Any:
        """The coroutine's own, for whoever asks where the task waits."""
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_await(self) -> Any:
        """Likewise."""
        return getattr(self._coroutine, "cr_await", None)

    def send(self, value: Any) -> Any:
        if self._steps is None:
            self._steps = self._drive()
        return self._steps.send(value)

    def throw(self, error: Any, *more: Any) -> Any:
        # asyncio gives the exception alone; not begun, the coroutine ends with it
        return self._coroutine.throw(error, *more) if self._steps is None else self._steps.throw(error, *more)

    def close(self) -> None:
        if self._steps is not None:
            self._steps.close()
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError

    def _drive(self) -> Step:
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                future = self._coroutine.send(value) if error is None else self._coroutine.throw(error)
            except StopIteration as done:
                return done.value
            value, error = None, self._stand_in.met(self._coroutine)
            if error is not None:
                if future is not None:
                    future._asyncio_future_blocking = False  # noqa: SLF001 - no task waits for it
                continue
            try:
                value = yield future
            except GeneratorExit:
                raise
            except BaseException as raised:  # noqa: BLE001 - it goes to whom it belongs
                error = raised
            while (hold := self._stand_in.hold()) is not None:
                try:
                    yield from hold
                except asyncio.CancelledError as raised:
                    error = raised
