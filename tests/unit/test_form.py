"""The engine runs in the form that was asked for: plain Python, or by SEGUE_PROPERTY_FORM the compiled one."""

from __future__ import annotations

import importlib
import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from state.form import engine_form

ROOT = Path(__file__).parents[2]
COMPILE: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "compile.py"))
MODULES = [path.removesuffix(".py").replace("/", ".") for path in COMPILE["sources"](ROOT)]
FORM = os.environ.get("SEGUE_PROPERTY_FORM", "plain Python")


def test_the_engine_says_which_form_it_has() -> None:
    assert engine_form() == FORM


@pytest.mark.parametrize("name", MODULES)
def test_all_of_the_engine_has_one_form(name: str) -> None:
    file = importlib.import_module(name).__file__
    assert file is not None
    assert file.endswith(".py") is (FORM == "plain Python")
