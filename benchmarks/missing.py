"""What a benchmark says where something of it cannot be had on this machine."""

from __future__ import annotations


class Missing(Exception):
    """A part cannot be fetched or built here; its row stands in the table all the same, and the text says why."""
