"""What analytics.js asks for before it sends anything: where to send, and which integrations there are (none)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streams.http.ingest.openapi import BrowserSettings

if TYPE_CHECKING:
    from typing import Any


def browser_settings(key: str, url: str) -> BrowserSettings:
    """Return the settings of a page that sends to this URL with this write key."""
    parts = urlsplit(url)
    ours: dict[str, Any] = {
        "apiKey": key,
        "apiHost": f"{parts.netloc}{parts.path.rstrip('/')}/v1",
        "protocol": parts.scheme,
        "unbundledIntegrations": [],
        "addBundledMetadata": True,
        "maybeBundledConfigIds": {},
    }
    return BrowserSettings.model_validate(
        {
            "integrations": {"Segment.io": ours},
            "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
            "metrics": {"sampleRate": 0},
            "remotePlugins": [],
        }
    )
