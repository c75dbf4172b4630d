"""`segue demo` on a few of its customers: what it prints and draws. The whole of it is what `make demo` runs."""

from __future__ import annotations

import gzip
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from streams.demo import cdnow

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.embedded]


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Return the purchases of every hundredth customer."""
    head, *lines = gzip.decompress(cdnow.DATA.read_bytes()).decode().splitlines()
    path = tmp_path / "few.txt.gz"
    path.write_bytes(gzip.compress("\n".join([head, *(line for line in lines if line[4:6] == "00")]).encode()))
    return path


def test_the_demo_tells_the_story_and_leaves_a_picture(few: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from streams.cli import main; main()", "demo", "--data", str(few)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d{4}-\d\d-\d\d  [\d,]+ purchases$", done.stdout, re.MULTILINE)
    # which crossings of a week are shown depends on how the partitions' changes were read
    assert re.search(
        r"^  \d{4}-\d\d-\d\d \d\d:\d\d  \d{5}  → (At risk|Lost) from [a-z ]+: last Order", done.stdout, re.MULTILINE
    )
    assert re.search(r"^ *Lost +\d+ +\d+\.\d% ", done.stdout, re.MULTILINE)
    assert "┌───" in done.stdout
    assert "What next" in done.stdout
    picture = (tmp_path / "segue-demo" / "segments.png").read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    assert picture.startswith(b"\x89PNG")
    assert (width, height > 800) == (1300, True)
    assert len(gzip.decompress((tmp_path / "segue-demo" / "events.jsonl.gz").read_bytes()).splitlines()) > 300
