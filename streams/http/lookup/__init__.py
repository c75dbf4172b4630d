"""Lookup: what a chat tool asks about customers and segments."""
