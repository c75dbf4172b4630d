"""The peers, fetched by package name into the user's cache: once, and anew where what they are made of has changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.missing import Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).parent
FETCH_S = 300


def python_of(peer: str) -> Path:
    """Return the Python whose environment has the packages of `peer`.txt, pinned there; raises `Missing`."""
    lock = HERE / f"{peer}.txt"

    def make(folder: Path) -> None:
        if shutil.which("uv") is not None:  # where Python came without pip and venv
            _run(["uv", "venv", "--quiet", "--python", sys.executable, str(folder)])
            _run(["uv", "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), "-r", str(lock)])
        else:
            _run([sys.executable, "-m", "venv", str(folder)])
            pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            _run([*pip, "-r", str(lock)])

    return _cached(peer, [sys.version.encode(), lock.read_bytes()], make) / "bin" / "python"


def kafka_streams() -> Path:
    """Return the jar of W1 on Kafka Streams, built with Maven; raises `Missing`."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            message = f"{tool} is not on PATH: it needs a JDK (17 or newer) and Maven"
            raise Missing(message)
    project = HERE / "kstreams"
    files = sorted(path for path in project.rglob("*") if path.is_file() and "target" not in path.parts)

    def make(folder: Path) -> None:
        shutil.copytree(project, folder, ignore=shutil.ignore_patterns("target"))
        _run(["mvn", "-q", "-B", "-f", str(folder / "pom.xml"), "package"])

    return _cached("kstreams", [path.read_bytes() for path in files], make) / "target" / "kstreams.jar"


def _cached(name: str, contents: Sequence[bytes], make: Callable[[Path], None]) -> Path:
    """Return the folder made of these contents; a stamp in it says that it is whole, since it cannot be moved."""
    key = hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache") / "segue"
    folder = cache / f"peer-{name}-{key}"
    stamp = folder / ".made"
    if not stamp.exists():
        print(f"fetching {name} (once) to {folder}", file=sys.stderr)
        cache.mkdir(parents=True, exist_ok=True)
        if folder.exists():  # half made; not removed where it is, since another run may be making it
            folder.rename(cache / f"old-{uuid.uuid4().hex}")
        make(folder)
        stamp.touch()
        for old in cache.glob("old-*"):
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"{command[0]}: {error}"
        raise Missing(message) from error
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-3:]
        message = f"{' '.join(command[:4])} … failed: {' / '.join(last)}"
        raise Missing(message)
