"""Trials: a worker meets a fault at one of its awaits while it takes a partition over, commits and publishes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.chaos.awaits import SENDING
from tests.chaos.hand import PASSING
from tests.chaos.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence

    from tests.chaos.stage import Stage
    from tests.chaos.stand_in import Meeting, Wait

    Fault = Callable[["Trial"], Awaitable[None]]

AT_ONCE = 12
"""So many trials run side by side: most of the time they wait."""

LONGEST_S = 90.0
"""No trial takes so long, unless a worker hangs."""

LEFT_AT = "Tenure._commit: asyncio.gather"
"""Where the commit is made and nothing of it is public yet."""


BEFORE = ("Tenure.begin: parts.definitions.refresh", "take_over: parts.store.take_over")
"""Where a worker that stands still may not have asked for the partition yet."""


class Point(NamedTuple):
    """A place to stop at: the awaits that the task is in, and the how-manyeth suspension there."""

    awaits: tuple[str, ...]
    nth: int

    def __str__(self) -> str:
        return f"{' > '.join(self.awaits)} #{self.nth}"


def points_of(waits: Iterable[tuple[str, ...]], *, every: bool, of: str | None = None) -> list[Point]:
    """Return every suspension of a run, or for each await the first and the last one.

    Of the worker's own tasks; or, with `of`, of the tasks of its clients that wait there.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    points: list[Point] = []
    for awaits in waits:
        if awaits[0] == of if of else awaits[0] != SENDING and not awaits[0].startswith("has_producer_ids"):
            seen[awaits] += 1
            points.append(Point(awaits, seen[awaits]))
    return points if every else [point for point in points if point.nth in (1, seen[point.awaits])]


@dataclasses.dataclass
class Trial:
    """One partition, one worker, one point of it; with `left` one before it died between commit and publication."""

    stage: Stage
    partition: int
    point: Point
    left: bool = False
    other: Point | None = None
    """Where a second worker stands still."""
    reached: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    workers: list[StandIn] = dataclasses.field(default_factory=list)
    """Those that were let loose on the partition; they are killed when the trial is over."""

    def __str__(self) -> str:
        return f"partition {self.partition}{' left half done' if self.left else ''}: {self.point}" + (
            f", the other one at {self.other}" if self.other else ""
        )

    def concerns(self, text: str) -> bool:
        """Whether the text is about this partition or its customers."""
        return f"partition {self.partition}:" in text or f"p{self.partition}-" in text

    def worker(self, meet: Meeting) -> StandIn:
        """Return a new one."""
        self.workers.append(StandIn(meet))
        return self.workers[-1]

    async def begin(self) -> None:
        """Let the partition be as the worker finds it."""
        if self.left:
            await leave_half_done(self.stage, self.partition)

    def at_point(self, wait: Wait, seen: Counter[tuple[str, ...]]) -> bool:
        """Note a wait, and whether it is the one."""
        seen[wait.awaits] += 1
        here = Point(wait.awaits, seen[wait.awaits]) == self.point
        if here:
            self.reached.set()
        return here

    async def reaches(self, task: asyncio.Task[None]) -> bool:
        """Wait until the worker is at the point; False where it got through without."""
        reaching = asyncio.ensure_future(self.reached.wait())
        await asyncio.wait([task, reaching], return_when=asyncio.FIRST_COMPLETED)
        reaching.cancel()
        return self.reached.is_set()


async def leave_half_done(stage: Stage, partition: int) -> None:
    """Let a worker die between its first commit and the publication."""
    await stopped_at(stage, partition, Point((LEFT_AT,), 1))


async def stopped_at(stage: Stage, partition: int, point: Point) -> None:
    """Let a worker die where it is in this await (alone, or within others) for the nth time."""
    worker, reached = StandIn(), asyncio.Event()
    seen = 0

    def meet(wait: Wait) -> None:
        nonlocal seen
        if wait.awaits[-1] == point.awaits[-1]:
            seen += 1
            if seen == point.nth:
                worker.stop()
                reached.set()

    worker.meet = meet
    task = worker.run(stage.hand.once(partition))
    reaching = asyncio.ensure_future(reached.wait())
    await asyncio.wait([task, reaching], return_when=asyncio.FIRST_COMPLETED)
    reaching.cancel()
    if not reached.is_set():
        await task
    assert reached.is_set(), f"{point} was never reached"
    await worker.kill()


async def die(trial: Trial) -> None:
    """Have the worker die there, and another take the partition over; what was on its way never arrives."""
    worker, task = _stopping(trial)
    if await trial.reaches(task):
        await trial.stage.hand.once(trial.partition)
        await _nothing_written(trial, worker.kill)
    await _ended(task)


async def stand_still(trial: Trial) -> None:
    """Have the worker stand still there until another has done all there was to do, then go on."""
    worker, task = _stopping(trial)
    if await trial.reaches(task):
        await trial.stage.hand.once(trial.partition)

        async def go_on() -> None:
            worker.go_on()
            await asyncio.wait([task])

        await _nothing_written(trial, go_on)
    await _ended(task)


async def come_back(trial: Trial) -> None:
    """Have the partition come back to the same worker, and all be done, while its old loop stands still there."""
    hand, partition = trial.stage.hand, trial.partition
    async with hand.parts() as parts:
        loop, task = _stopping(trial, lambda: hand.work(parts, partition))
        if await trial.reaches(task):
            await hand.work(parts, partition)

            async def go_on() -> None:
                loop.go_on()
                await asyncio.wait([task])

            await _nothing_written(trial, go_on)
        await _ended(task)


async def be_cancelled(trial: Trial) -> None:
    """Have the worker let go of the partition there, at once, and another take it over."""
    seen: Counter[tuple[str, ...]] = Counter()

    def meet(wait: Wait) -> None:
        if trial.at_point(wait, seen):
            task.cancel()

    worker = trial.worker(meet)
    task = worker.run(trial.stage.hand.once(trial.partition))
    await asyncio.wait([task])
    await _ended(task)
    await trial.stage.hand.once(trial.partition)


async def lose_a_reply(trial: Trial) -> None:
    """Have the connection break there, with what was asked on its way; the worker takes the partition over again."""
    seen: Counter[tuple[str, ...]] = Counter()

    def meet(wait: Wait) -> BaseException | None:
        return wait.lose_reply() if trial.at_point(wait, seen) else None

    worker = trial.worker(meet)
    await worker.run(trial.stage.hand.keep(trial.partition))


async def cross(trial: Trial) -> None:
    """Have two workers take the partition over at once.

    The first one stands still at the trial's point, the second one begins and stands still at `other`; the first one
    goes on to its end, then the second one. Whoever was refused leaves it at that, and a third does what is left.
    """
    first, one = _stopping(trial)
    if await trial.reaches(one):
        assert trial.other is not None
        then = dataclasses.replace(trial, point=trial.other, reached=asyncio.Event())
        second, two = _stopping(then)
        await then.reaches(two)
        first.go_on()
        await _ended(one)
        second.go_on()
        await _ended(two)
        await trial.stage.hand.once(trial.partition)
    await _ended(one)


def _stopping(
    trial: Trial, work: Callable[[], Coroutine[Any, Any, None]] | None = None
) -> tuple[StandIn, asyncio.Task[None]]:
    """Begin a worker, or some of its work, that will stand still at the point."""
    seen: Counter[tuple[str, ...]] = Counter()

    def meet(wait: Wait) -> None:
        if trial.at_point(wait, seen):
            worker.stop()

    worker = trial.worker(meet)
    return worker, worker.run(work() if work else trial.stage.hand.once(trial.partition))


async def _nothing_written(trial: Trial, go_on: Callable[[], Awaitable[None]]) -> None:
    """Let the first worker go on while another has the partition; it may take it over anew, and write nothing else."""
    store, partition = trial.stage.store, trial.partition
    epoch, before = (await store.head(partition)).epoch, await trial.stage.written(partition)
    await go_on()
    if (await store.head(partition)).epoch == epoch:
        after = await trial.stage.written(partition)
        assert after == before, f"stopped at {trial.point}, it wrote although another had the partition"
    else:
        assert trial.point.awaits[-1] in BEFORE, f"stopped at {trial.point}, it took the partition from another"


async def _ended(task: asyncio.Task[None]) -> None:
    """See to it that a worker's task ended with what a worker's may end with."""
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, PASSING):
        raise error


async def run_all(fault: Fault, trials: Sequence[Trial]) -> None:
    """Run the trials, some at a time, and hold what they leave to what their logs make certain."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def run(trial: Trial) -> None:
        async with turns, asyncio.timeout(LONGEST_S):
            try:
                await trial.begin()
                await fault(trial)
            except Exception as error:
                error.add_note(str(trial))
                raise
            finally:
                for worker in trial.workers:
                    await worker.kill()

    ended = await asyncio.gather(*map(run, trials), return_exceptions=True)
    if errors := [error for error in ended if isinstance(error, Exception)]:
        message = f"{len(errors)} of {len(trials)} trials failed"
        raise ExceptionGroup(message, errors)
    found = await trials[0].stage.verdict()
    if found:
        text = "\n".join(found)
        raise AssertionError("\n".join([text, *(str(trial) for trial in trials if trial.concerns(text))]))
