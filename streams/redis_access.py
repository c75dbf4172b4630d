"""How clients come into Redis: the one place that turns settings into the URL that connections are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from streams.broker_access import secret_of

if TYPE_CHECKING:
    from streams.settings import Settings


class Durability(TypedDict):
    """What `state.redis.RedisStore` takes of when a write counts."""

    require_durable: bool
    replicas: int
    replicas_patience_ms: int


def durability_of(settings: Settings) -> Durability:
    """Return when what is written counts: for whoever commits, or moves the active ruleset."""
    return {
        "require_durable": settings.redis_durable,
        "replicas": settings.redis_replicas,
        "replicas_patience_ms": settings.redis_replicas_patience,
    }


def redis_url(settings: Settings) -> str:
    """Return the URL with the password and the files of the other settings in it: never to be shown.

    Raises `SettingsError` where the file with the password cannot be read.
    """
    return _whole(settings.redis, settings)


def views_url(settings: Settings) -> str:
    """Return the URL of the replica that lookups read, as `redis_url` does; empty where there is none."""
    return settings.redis_views and _whole(settings.redis_views, settings)


def _whole(url: str, settings: Settings) -> str:
    parts = urlsplit(url)
    password = secret_of(settings.redis_password, settings.redis_password_file, "SEGUE_REDIS_PASSWORD_FILE")
    files = {
        "ssl_ca_certs": settings.redis_ca_file,
        "ssl_certfile": settings.redis_cert_file,
        "ssl_keyfile": settings.redis_key_file or settings.redis_cert_file,
    }
    more = {name: str(file) for name, file in files.items() if file is not None}
    if not settings.redis_check_hostname:
        more["ssl_check_hostname"] = "false"
    if not parts.scheme.startswith("rediss"):
        more = {}
    if password is None and not more:
        return url
    if password is not None:
        user, _, host = parts.netloc.rpartition("@")
        parts = parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}")
    query = "&".join(filter(None, (parts.query, urlencode(more))))
    return urlunsplit(parts._replace(query=query))
