"""Ready definitions to start from, each a YAML file that says at its top for whom it is. They load together."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

PACKS: Final = ("lifecycle", "rfm_value", "engagement", "cart_recovery", "support_tiers", "b2b")


def pack_text(name: str) -> str:
    """Return the text of a pack's file; `name` is one of `PACKS`."""
    return files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def pack_purpose(name: str) -> str:
    """Return what a pack says of itself in its first line, without its name."""
    return pack_text(name).partition("\n")[0].removeprefix(f"# {name}: ")
