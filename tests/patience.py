"""How long a test waits for what must come."""

PATIENCE_S = 120.0
"""For a machine that has other work to do: only what hangs takes so long. Less than pytest's own `timeout`."""
