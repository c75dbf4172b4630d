"""Models for people: what was learned, how good it is beside doing without, and pictures of both."""
