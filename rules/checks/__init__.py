"""Compiled conditions: what is asked of a customer at an instant, apart from the schema that it was written in."""
