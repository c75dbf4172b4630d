"""Settings that cannot be right together, each said with its name and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.settings import Settings


def faults_together(settings: Settings) -> Iterator[str]:
    """Yield what is wrong, a line each; nothing of a secret is in them."""
    yield from _broker_users(settings)
    yield from _broker_certificates(settings)
    yield from _redis(settings)
    yield from _views(settings)


def _broker_users(settings: Settings) -> Iterator[str]:
    security = settings.broker_security
    given = {
        "SEGUE_BROKER_USER": settings.broker_user,
        "SEGUE_BROKER_PASSWORD": settings.broker_password,
        "SEGUE_BROKER_PASSWORD_FILE": settings.broker_password_file,
    }
    if not security.startswith("sasl"):
        for name in _set(given):
            yield f"{name}: SEGUE_BROKER_SECURITY is {security}: that has no users; set that to sasl_ssl, or remove it"
        return
    if not settings.broker_user:
        yield f"SEGUE_BROKER_USER: SEGUE_BROKER_SECURITY is {security}, which needs a user; name one"
    yield from _password("SEGUE_BROKER_PASSWORD", given, f"SEGUE_BROKER_SECURITY is {security}, which needs a password")


def _password(name: str, given: Mapping[str, object], why: str) -> Iterator[str]:
    count = sum(given[one] is not None for one in (name, f"{name}_FILE"))
    if count == 0:
        yield f"{name}: {why}; set it, or {name}_FILE to a file that holds it"
    elif count > 1:
        yield f"{name}: {name}_FILE is set, too; remove one of them"


def _broker_certificates(settings: Settings) -> Iterator[str]:
    security = settings.broker_security
    given = {
        "SEGUE_BROKER_CA_FILE": settings.broker_ca_file,
        "SEGUE_BROKER_CERT_FILE": settings.broker_cert_file,
        "SEGUE_BROKER_KEY_FILE": settings.broker_key_file,
    }
    if not security.endswith("ssl"):
        secured = "sasl_ssl" if security.startswith("sasl") else "ssl"
        for name in _set(given):
            yield f"{name}: SEGUE_BROKER_SECURITY is {security}, without TLS; set that to {secured}, or remove it"
        return
    yield from _lone_key("SEGUE_BROKER", given)


def _redis(settings: Settings) -> Iterator[str]:
    given = {
        "SEGUE_REDIS_PASSWORD": settings.redis_password,
        "SEGUE_REDIS_PASSWORD_FILE": settings.redis_password_file,
    }
    if _set(given):
        yield from _password("SEGUE_REDIS_PASSWORD", given, "")
        userinfo, at, _ = urlsplit(settings.redis).netloc.rpartition("@")
        if at and ":" in userinfo:
            yield "SEGUE_REDIS_PASSWORD: SEGUE_REDIS has a password in its URL, too; remove one of them"
    files = {
        "SEGUE_REDIS_CA_FILE": settings.redis_ca_file,
        "SEGUE_REDIS_CERT_FILE": settings.redis_cert_file,
        "SEGUE_REDIS_KEY_FILE": settings.redis_key_file,
    }
    named = _set(files)
    if not settings.redis_check_hostname:
        named.append("SEGUE_REDIS_CHECK_HOSTNAME")
    if not urlsplit(settings.redis).scheme.startswith("rediss"):
        for name in named:
            yield f"{name}: SEGUE_REDIS is no rediss:// URL, so there is no TLS; write rediss://, or remove it"
    else:
        yield from _lone_key("SEGUE_REDIS", files)


def _views(settings: Settings) -> Iterator[str]:
    if not settings.redis_views:
        return
    if "+cluster" in settings.redis:
        yield "SEGUE_REDIS_VIEWS: SEGUE_REDIS is a cluster, whose replicas are not read; remove it"
        return
    views, redis = _database(settings.redis_views), _database(settings.redis)
    if views != redis:
        yield f"SEGUE_REDIS_VIEWS: its database is {views}, that of SEGUE_REDIS is {redis}; write the same"
    userinfo, at, _ = urlsplit(settings.redis_views).netloc.rpartition("@")
    if at and ":" in userinfo and (settings.redis_password or settings.redis_password_file):
        yield "SEGUE_REDIS_VIEWS: its URL has a password, and SEGUE_REDIS_PASSWORD is set, too; remove one of them"


def _database(url: str) -> str:
    """Return the number of a URL's database, which a Unix socket's has in its query."""
    parts = urlsplit(url)
    path = "" if parts.scheme == "unix" else parts.path.strip("/")
    return dict(parse_qsl(parts.query)).get("db") or path or "0"


def _set(given: Mapping[str, object]) -> list[str]:
    return [name for name, value in given.items() if value is not None]


def _lone_key(service: str, files: Mapping[str, object]) -> Iterator[str]:
    key, certificate = f"{service}_KEY_FILE", f"{service}_CERT_FILE"
    if files[key] is not None and files[certificate] is None:
        yield f"{key}: a key says nothing without its certificate; set {certificate}, too"
