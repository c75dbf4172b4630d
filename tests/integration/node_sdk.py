"""Segment's SDK for Node for the tests: fetched once from npm, as `tests/integration/node/package-lock.json` has it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

from rules.errors import ServiceError

FETCH_S = 300
SOURCE = Path(__file__).parent / "node"


def node_folder() -> Path:
    """Return a folder with `send.js` and what it needs; fetch that unless an earlier run did.

    Raises
    ------
    ServiceError
        if node or npm is not there, or npm fails.
    """
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            message = f"{tool} is not on PATH: the tests with Segment's SDK for Node need Node.js (18 or newer) and npm"
            raise ServiceError(message)
    contents = b"".join(path.read_bytes() for path in sorted(SOURCE.iterdir()))
    cache = Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache") / "segue"
    folder = cache / f"node-{hashlib.sha256(contents).hexdigest()[:12]}"
    if not folder.exists():
        _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    print(f"fetching Segment's SDK for Node with npm (3 MB, once) to {folder}", file=sys.stderr)  # noqa: T201
    work = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}")
    try:
        shutil.copytree(SOURCE, work)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=FETCH_S, check=False)
        if done.returncode != 0:
            message = f"npm ci failed with status {done.returncode}:\n{done.stdout}{done.stderr}"
            raise ServiceError(message)
        if not folder.exists():
            work.rename(folder)  # at once, so that a run beside this one never sees half of it
    finally:
        shutil.rmtree(work, ignore_errors=True)
