"""A server of another program, run as a child that never outlives this process.

A child left behind by a killed parent would hold its port, its memory and its folder for ever, and neither `atexit` nor
a signal handler runs on SIGKILL. So each server has a *guard*: a shell that blocks on a pipe from us. The kernel closes
that pipe however we end; the guard then kills the server and removes its folder. It works alike on Linux and macOS,
whereas `PR_SET_PDEATHSIG` is Linux only and fires when the *thread* that started the child ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from rules.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

HOST = "127.0.0.1"
POLL_S = 0.01
LOG_LINES = 15
"""How much of a server's log an error shows."""

# For any POSIX shell (`kill -9 -- -1` is not POSIX, and dash refuses it). Each line it reads says whom to kill should
# we vanish: a process group, or `-` for nobody; `done` says that all is clean.
GUARD = """
group=-
while read -r line; do
  [ "$line" = done ] && exit 0
  group=$line
done
[ "$group" = - ] || { kill -s KILL -- "-$group" && sleep 0.1; }
rm -rf -- "$1"
"""


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on.

    It lies below the range that kernels give to outgoing connections (from 32768 on Linux, 49152 on macOS): a client
    that retries a port of that range while its server is down may in the end connect to itself, and the server could
    not come back on its own port.
    """
    for _ in range(200):
        port = 20_000 + secrets.randbelow(12_000)
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    msg = f"no free port between 20000 and 31999 on {HOST}: stop what listens there"
    raise ServiceError(msg)


class Child(ABC):
    """One server as a child process: start, stop, kill, and start again on the same port with the same folder.

    It is an async context manager: entered, the server is ready; left, it is gone and so is its folder. It belongs to
    no event loop, so one loop may start it and another kill it.
    """

    name: ClassVar[str]
    """What errors call the server."""

    ready_s: ClassVar[float] = 20.0
    """How long it may take until it answers: seconds more than needed, for a machine that is busy."""

    stop_s: ClassVar[float] = 5.0
    """How long it may take to end by itself before it is killed."""

    def __init__(self, *, port: int | None = None) -> None:
        """Choose the port (a free one by default) and a temporary folder; nothing is made and nothing runs yet."""
        self.port = free_port() if port is None else port
        self.folder = Path(tempfile.gettempdir()) / f"segue-{self.name}-{secrets.token_hex(8)}"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """`host:port`, as clients want it."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """The file that has what the server printed, over all its starts."""
        return self.folder / "log"

    @property
    def pid(self) -> int:
        """The server's process id.

        Raises
        ------
        ServiceError
            if it was not started, or stopped since.
        """
        if self._process is None:
            msg = f"{self.name} is not running"
            raise ServiceError(msg)
        return self._process.pid

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Return the program and its arguments."""

    def environment(self) -> Mapping[str, str]:
        """Return the server's whole environment; none of ours is passed on, since some would change its settings."""
        return {}

    @abstractmethod
    async def answers(self) -> bool:
        """Whether this very process (and not another on its port) serves requests now."""

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises
        ------
        ServiceError
            with the last lines of its log, if it cannot be started, ends, or does not answer within `ready_s`.
        """
        if self._process is not None:
            msg = f"{self.name} already runs at {self.address}: stop it first"
            raise ServiceError(msg)
        self._spawn()
        deadline = monotonic() + self.ready_s
        while not await self.answers():
            self._check_alive()
            if monotonic() > deadline:
                raise ServiceError(self._failure(f"does not answer after {self.ready_s:g} s"))
            await asyncio.sleep(POLL_S)
        self._check_alive()

    async def stop(self) -> None:
        """Ask the server to end and wait; after `stop_s`, kill it. Its folder stays. No error if it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        deadline = monotonic() + self.stop_s
        while self._process.poll() is None and monotonic() < deadline:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(POLL_S)
        await self.kill()

    async def kill(self) -> None:
        """End the server at once, as `kill -9` does; its folder stays. No error if it does not run."""
        self._reap()

    async def restart(self) -> None:
        """Start it again on the same port with the same folder; if it still runs, it is asked to end first."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Self:
        """Start it; on any failure nothing is left behind."""
        try:
            await self.start()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it and remove its folder, even if cancelled while waiting."""
        try:
            await self.stop()
        finally:
            self.close()

    def close(self) -> None:
        """Kill it if it runs, remove its folder, dismiss its guard. Safe to call twice; it cannot start again."""
        self._reap()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._guard is not None:
            with contextlib.suppress(BrokenPipeError):  # it may have been killed before us
                self._guard.communicate(b"done\n")
            self._guard = None

    def _spawn(self) -> None:
        # Sessions of their own: Ctrl-C reaches us alone, and we end the servers after what still needs them.
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if self._guard is None:
            self._guard = subprocess.Popen(  # noqa: S603 - a constant script
                ["/bin/sh", "-c", GUARD, "guard", self.folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - the programs come from the installed wheels
                    self.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env=dict(self.environment()),
                    start_new_session=True,
                )
        except OSError as error:
            msg = f"{self.name} cannot be started: {error}"
            raise ServiceError(msg) from error
        self._tell_guard(str(self._process.pid))

    def _reap(self) -> None:
        if self._process is None:
            return
        # The group, since a server may have forked (Valkey does to rewrite its log).
        with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, of a zombie's group
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        self._tell_guard("-")

    def _tell_guard(self, line: str) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it may have been killed before us
                self._guard.stdin.write(line.encode() + b"\n")
                self._guard.stdin.flush()

    def _check_alive(self) -> None:
        if self._process is None or (status := self._process.poll()) is not None:
            how = "was stopped" if self._process is None else f"ended with status {status}"
            raise ServiceError(self._failure(f"{how} before it was ready"))

    def _failure(self, what: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:] if self.log.exists() else []
        tail = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
        return f"{self.name} at {self.address} {what}; the end of its log:\n{tail}"
