"""Replays: a file of events through the real pipeline, the same in memory, and what a worker should have said."""
