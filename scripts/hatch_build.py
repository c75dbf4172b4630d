"""Hatch's hook for a wheel whose engine is compiled: where SEGUE_COMPILE is 1; else the wheel is pure Python."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parents[1]))


class CompiledEngine(BuildHookInterface[Any]):
    """Puts the extension modules beside the sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and make it a wheel of this platform; an editable installation stays plain."""
        if os.environ.get("SEGUE_COMPILE") != "1" or version == "editable":
            return
        from scripts.compile import compile_into  # noqa: PLC0415 - only where it is wanted

        folder = Path(self.root) / "build" / "compiled"
        for module in compile_into(folder):
            build_data["force_include"][str(folder / module)] = str(module)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def dependencies(self) -> list[str]:
        """Return what compiling needs of the build's environment: mypyc, and what its types cannot be told without."""
        return (
            ["mypy[mypyc]>=1.18", "msgspec>=0.20", "pydantic>=2.12"] if os.environ.get("SEGUE_COMPILE") == "1" else []
        )
