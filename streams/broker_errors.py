"""What it means that a client did not come into the broker, or was refused there: the thing and the remedy, in words.

aiokafka keeps the reason why it does not come in to its own log, and says "unable to bootstrap". So the broker is asked
anew, on a bare connection, and what that fails of is told.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from rules.errors import AccessError, ServiceError
from streams.broker_access import client_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.settings import Settings

_ANSWER_S = 3.0
_EXPIRED, _NOT_YET = 10, 9
_OTHER_HOST = frozenset((62, 64))
"""What OpenSSL calls a certificate that is not for this name, or not for this address."""

_RIGHTS = {
    TopicAuthorizationFailedError: "topics",
    GroupAuthorizationFailedError: "consumer group",
    TransactionalIdAuthorizationFailed: "transactional id",
    ClusterAuthorizationFailedError: "cluster",
}
_DOCUMENT = "docs/operations.md has the rights that it needs"


async def kept_out(settings: Settings, what: str, error: Exception) -> ServiceError:
    """Return the error to raise where a client could not be started.

    Parameters
    ----------
    what
        What could not be done.
    error
        What aiokafka said.

    Returns
    -------
    ServiceError
        an `AccessError` where the broker is there, and waiting would mend nothing.
    """
    if isinstance(error, tuple(_RIGHTS)):
        return refused(settings, what, error)
    async for address, reason in _reasons(settings):
        where = what if what.startswith(f"{address}: ") else f"{what}: {address}"
        if said := _told(settings, reason):
            return AccessError(f"{where}: {said}")
        if said := _guessed(settings, reason):
            return ServiceError(f"{where}: {said}")
    return refused(settings, what, error)


def refused(settings: Settings, what: str, error: Exception) -> ServiceError:
    """Return the error to raise where the broker refused a request, or did not answer."""
    for kind, thing in _RIGHTS.items():
        if isinstance(error, kind):
            return AccessError(f"{what}: {who(settings)} may not do this with the {_named(thing, error)}; {_DOCUMENT}")
    return ServiceError(f"{what}: {error!r}; is the broker up, and is SEGUE_BROKER right?")


def who(settings: Settings) -> str:
    """Return whom the broker takes us for, as far as we know."""
    if settings.broker_user is not None:
        return f"user {settings.broker_user!r} (SEGUE_BROKER_USER)"
    return "our certificate's user" if settings.broker_cert_file is not None else "an anonymous client"


def _named(thing: str, error: Exception) -> str:
    names = ", ".join(str(name) for part in error.args for name in (part if isinstance(part, set) else (part,)))
    return f"{thing} {names}".strip()


async def _reasons(settings: Settings) -> AsyncIterator[tuple[str, Exception]]:
    """Yield where we fail, and of what: at the addresses of the setting, then at those that the broker sends us to."""
    options = client_options(settings)
    hosts = [(host, port) for host, port, _ in collect_hosts(options.pop("bootstrap_servers"))]
    tried: set[tuple[str, int]] = set()
    while hosts:
        host, port = hosts.pop(0)
        if (host, port) in tried:
            continue
        tried.add((host, port))
        try:
            async with asyncio.timeout(_ANSWER_S):
                hosts += await _brokers(host, port, options)
        except (OSError, KafkaError, TimeoutError) as error:
            yield f"{host}:{port}", error


async def _brokers(host: str, port: int, options: dict[str, Any]) -> list[tuple[str, int]]:
    connection: Any = await create_conn(host, port, request_timeout_ms=int(_ANSWER_S * 1000), **options)
    try:
        answer = await connection.send(MetadataRequest([]))
        return [(broker[1], broker[2]) for broker in answer.brokers]
    finally:
        connection.close()


def _told(settings: Settings, error: Exception) -> str:
    """Return what is certainly wrong and what mends it; nothing where the broker may only be away."""
    security = settings.broker_security
    match error:
        case ssl.SSLCertVerificationError():
            return _certificate(error)
        case ssl.SSLError() if "ALERT" in str(error).upper():
            return f"it refuses our certificate ({error.reason}); correct SEGUE_BROKER_CERT_FILE"
        case ssl.SSLError() if error.reason == "WRONG_VERSION_NUMBER":
            return f"it does not speak TLS there; correct the port, or SEGUE_BROKER_SECURITY, which is {security}"
        case SaslAuthenticationFailed():
            return (
                f"it refuses {who(settings)} with {settings.broker_sasl_mechanism}; correct SEGUE_BROKER_USER and "
                "SEGUE_BROKER_PASSWORD"
            )
        case UnsupportedSaslMechanismError():
            return f"it does not take {settings.broker_sasl_mechanism}; set SEGUE_BROKER_SASL_MECHANISM to one it takes"
    return ""


def _guessed(settings: Settings, error: Exception) -> str:
    """Return what may be wrong with a broker that closes the connection; one that goes down does so, too."""
    if not isinstance(error, KafkaConnectionError | IllegalSaslStateError | ConnectionResetError | ssl.SSLError):
        return ""
    security = settings.broker_security
    ways = []
    if not security.endswith("ssl"):
        ways.append("TLS (ssl, sasl_ssl)")
    if not security.startswith("sasl"):
        ways.append("a user (sasl_ssl)")
    if security.endswith("ssl"):
        certificate = f"{'a' if settings.broker_cert_file is None else 'another'} certificate (SEGUE_BROKER_CERT_FILE)"
        had_tls = isinstance(error, KafkaConnectionError | IllegalSaslStateError)
        ways.append(certificate if had_tls else "no TLS at this port")
    return (
        f"it closes the connection ({error!r}); SEGUE_BROKER_SECURITY is {security}: does it want {' or '.join(ways)}?"
    )


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    said = re.sub(r"\.$", "", error.verify_message)
    if error.verify_code in {_EXPIRED, _NOT_YET}:
        return f"its certificate is out of date ({said}); renew it at the broker, or set this machine's clock"
    if error.verify_code in _OTHER_HOST:
        return (
            f"its certificate is not for this host ({said}); name the host as the certificate does, in SEGUE_BROKER "
            "and in the broker's advertised.listeners"
        )
    return f"we do not know who vouches for its certificate ({said}); put its CA's into SEGUE_BROKER_CA_FILE"
