"""What only scores does without River: it takes a second to import, and 100 MB."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("river", "scipy", "pandas", "sklearn")


@pytest.mark.parametrize("module", ["streams.app", "streams.cli.worker", "streams.snapshots", "streams.training"])
def test_river_is_not_imported(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_learns_imports_it() -> None:
    """Else the test above could not fail."""
    code = "import sys, streams.learning; print('river' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
