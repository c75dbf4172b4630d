"""What the documents say is so: their definitions load, their settings are the settings, their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rules.load import load_text
from streams.cli import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_shows_definitions_that_load() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        assert load_text(block, "README.md").segments


def test_the_settings_document_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(main, ["config", "--markdown"])
    assert printed.exit_code == 0
    written = (ROOT / "docs" / "settings.md").read_text()
    assert written == printed.stdout, "run: segue config --markdown > docs/settings.md"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_tests_that_show_what_is_said_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "operations.md").read_text()))
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    there = {name for text in texts for name in re.findall(r"^(?:async )?def (test_\w+)\(", text, re.MULTILINE)}
    assert named
    assert named <= there


def test_the_architecture_names_files_that_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in re.findall(r"`((?:rules|state|streams|tests)/[\w/.]*)`", text):
        assert (ROOT / name).exists(), f"docs/architecture.md names {name}"
