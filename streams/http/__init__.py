"""The HTTP edges: apps send events, chat tools ask, marketing automation hears. `docs/http.md` shows each route."""
