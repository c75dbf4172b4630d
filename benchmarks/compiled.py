"""The compiled engine for benchmarks: made anew where the sources have changed since it was compiled."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

from benchmarks.missing import Missing
from scripts.compile import PACKAGES, ROOT, compile_into

FOLDER = ROOT / "build" / "compiled"


def compiled_engine() -> Path:
    """Return the folder that, in front of the path, makes the engine the compiled one; a minute where it is stale.

    Raises `Missing` where it cannot be compiled: no C compiler, no headers of this Python.
    """
    FOLDER.parent.mkdir(exist_ok=True)
    with (FOLDER.parent / "compiled.lock").open("w") as lock:  # two benchmarks begun together compile once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stale():
            print("compiling the engine into build/compiled (a minute)", file=sys.stderr)
            _compile()
    return FOLDER


def environment(folder: Path | None) -> dict[str, str]:
    """Return this process's environment, for a child that runs the engine of that folder; None is plain Python."""
    plain = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part and Path(part) != FOLDER]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*([str(folder)] if folder is not None else []), *plain])}


def stale() -> bool:
    """Whether there is nothing compiled, or what there is was made of other sources than those of now."""
    if not list(FOLDER.glob("*__mypyc*.so")):
        return True
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if _is_source(path)]
    copies = [FOLDER / path.relative_to(ROOT) for path in files]
    return any(
        not copy.exists() or copy.read_bytes() != path.read_bytes() for path, copy in zip(files, copies, strict=True)
    )


def _is_source(path: Path) -> bool:
    return path.is_file() and path.suffix not in {".pyc", ".so"}


def _compile() -> None:
    """Compile beside the former, and put it in its place at once: whoever runs on that keeps the files it has open."""
    new, old = FOLDER.with_name(f"new-{os.getpid()}"), FOLDER.with_name(f"old-{os.getpid()}")
    try:
        compile_into(new)
        if FOLDER.exists():
            FOLDER.rename(old)
        new.rename(FOLDER)
    except SystemExit as exit_:
        raise Missing(str(exit_)) from None
    finally:
        for folder in (new, old):
            shutil.rmtree(folder, ignore_errors=True)
