"""Certificates for tests: of an authority of our own, one that nobody knows, and ones that must not be taken."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from streams.child import HOST

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """PEM files in a folder: `ca` vouches for all but for what the `stranger` does."""

    ca: Path
    server: Path
    """Key (PKCS #8) and certificate for 127.0.0.1."""
    expired: Path
    elsewhere: Path
    """For another host."""
    stranger: Path
    """An authority that nobody has asked."""
    client: Path
    client_key: Path
    """Of the user `segue-worker`, apart."""

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        authority, stranger = trustme.CA(), trustme.CA()
        made = cls(
            **{name: folder / f"{name}.pem" for name in ("ca", "server", "expired", "elsewhere", "stranger")},
            client=folder / "client.pem",
            client_key=folder / "client-key.pem",
        )
        authority.cert_pem.write_to_path(made.ca)
        stranger.cert_pem.write_to_path(made.stranger)
        yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        _write(authority.issue_cert(HOST), made.server)
        _write(authority.issue_cert(HOST, not_after=yesterday), made.expired)
        _write(authority.issue_cert("kafka.example"), made.elsewhere)
        client = authority.issue_cert("worker.example", common_name="segue-worker")
        client.private_key_pem.write_to_path(made.client_key)
        client.cert_chain_pems[0].write_to_path(made.client)
        return made


def serving(certificate: Path, *, clients: Path | None = None) -> ssl.SSLContext:
    """Return how a server with this certificate speaks TLS; `clients` vouches for those of its clients."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _write(leaf: trustme.LeafCert, path: Path) -> None:
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))  # Kafka reads no other form
    for pem in leaf.cert_chain_pems:
        pem.write_to_path(path, append=True)
