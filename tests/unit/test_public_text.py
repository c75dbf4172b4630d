"""What git tracks can be shown to anybody: nothing unfinished, nothing of one machine, no key."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Each pattern is written so that this file does not match it.
PATTERNS = {
    "a note of unfinished work": re.compile(r"\b(?:TO[D]O|FIX[M]E|X{3}|H[A]CK)\b"),
    "a merge conflict": re.compile(r"^(?:<{7} |>{7} |={7}$)", re.MULTILINE),
    "a path of one machine": re.compile(r"(?<![\w.:/~*-])/(?:home|mnt|root|Users|work)/"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def faults(text: str) -> list[str]:
    return [
        f"line {text.count(chr(10), 0, found.start()) + 1}: {what}: {found.group()}"
        for what, pattern in PATTERNS.items()
        for found in pattern.finditer(text)
    ]


def text_of(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content or content[:2] == b"\x1f\x8b" else content.decode()


def test_every_tracked_file_can_be_shown() -> None:
    files = tracked()
    assert ROOT / "pyproject.toml" in files
    assert {str(file.relative_to(ROOT)): found for file in files if (found := faults(text_of(file)))} == {}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a\n# TO" + "DO: later", "line 2: a note of unfinished work: TO" + "DO"),
        ("<" * 7 + " HEAD", "line 1: a merge conflict: " + "<" * 7 + " "),
        ("see /ho" + "me/me/notes", "line 1: a path of one machine: /ho" + "me/"),
        ("-----BEGIN RSA PRIV" + "ATE KEY-----", "line 1: a private key: -----BEGIN RSA PRIV" + "ATE KEY-----"),
    ],
)
def test_each_fault_is_found_with_its_line(text: str, where: str) -> None:
    assert faults(text) == [where]


@pytest.mark.parametrize("text", ["https://example.org/home/page", "~/work/x", "framework/", "Hackathon"])
def test_what_only_looks_like_a_fault_is_none(text: str) -> None:
    assert faults(text) == []
