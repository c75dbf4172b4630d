"""`segue demo --models` on a few of its customers: what it prints, draws and leaves. `make demo-models` runs it all."""

from __future__ import annotations

import gzip
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from streams.demo import cdnow
from streams.demo.learning import RULES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(400)]

SEGUE = [sys.executable, "-c", "from streams.cli import main; main()"]


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Return the purchases of every twentieth customer."""
    head, *lines = gzip.decompress(cdnow.DATA.read_bytes()).decode().splitlines()
    path = tmp_path / "few.txt.gz"
    chosen = (line for line in lines if int(line.split()[0]) % 20 == 0)
    path.write_bytes(gzip.compress("\n".join([head, *chosen]).encode()))
    return path


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Return the demo's definitions, with a warm-up of clusters that so few customers get through."""
    path = tmp_path / "models.yaml"
    path.write_text(RULES.read_text(encoding="utf-8").replace("warm_up: 60000", "warm_up: 1500"))
    return path


def segue(folder: Path, *args: object) -> str:
    """Run a command there and return what it said."""
    command = [*SEGUE, *map(str, args)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=350)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_of_models_learns_says_who_is_lost_and_leaves_what_its_last_words_name(
    few: Path, rules: Path, tmp_path: Path
) -> None:
    said = segue(tmp_path, "demo", "--models", "--data", few, "--rules", rules)
    # what a model has learned by a week depends on how samples and events came together: bounds, no figures
    assert re.search(r"^  buys_again: version \d+, [\d,]+ samples; in silence ROC AUC 0\.[678]", said, re.MULTILINE)
    assert re.search(r"^ buys_again +\d+ +5,\d{3} +[\d,]+ in silence +ROC AUC +0\.[678]\d\d +0\.5", said, re.MULTILINE)
    loss, base = re.findall(r"in silence .*?log loss +(0\.\d{3}) +(0\.\d{3})", said, re.DOTALL)[-1]
    assert float(loss) < float(base)
    error, mean = re.findall(r"RMSE +(\d+\.\d\d) +(\d+\.\d\d)", said)[-1]
    assert float(error) < float(mean)
    assert "100%┤" in said
    assert re.search(r"^  \d{5}  \d\d\d\.\d\d dollars in a year, last order 199[78]-\d\d-\d\d", said, re.MULTILINE)
    assert re.search(
        r"since 199[78]-\d\d-\d\d: is in valuable .*; score buys_again .* version \d+\)$", said, re.MULTILINE
    )
    assert len(re.findall(r"^ c\d +[\d,]+ +\d+%  ", said, re.MULTILINE)) == 5
    picture = (tmp_path / "segue-demo" / "models.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">II", picture[16:24])[0] > 1500

    commands = re.findall(r"^  \S+ ((?:models?|check) .*)$", said, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["model", "models", "check"]
    for command in commands:
        segue(tmp_path, *command.split())
    assert (tmp_path / "segue-demo" / "buys_again.png").read_bytes().startswith(b"\x89PNG")
