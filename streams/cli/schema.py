"""`segue schema`: the JSON Schema of definitions files."""

from __future__ import annotations

import json

from rules.json_schema import definitions_schema
from streams.cli.frame import say


def schema_text() -> str:
    """Return the schema as it is printed, and as `segue init` writes it."""
    return json.dumps(definitions_schema(), indent=2)


def schema() -> None:
    """Print the JSON Schema of definitions files, for editors.

    With it, an editor completes keys and marks mistakes as you type. `segue init` writes it beside its files; else
    `segue schema > segue.schema.json`, and in the first line of a definitions file
    `# yaml-language-server: $schema=segue.schema.json`. What spans several definitions only `segue check` can see.
    """
    say(schema_text())
