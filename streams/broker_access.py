"""How clients come into the broker: the one place that turns settings into a client's options.

Every client of aiokafka is made with `client_options`, and Faust's with `faust_credentials`. Certificates and passwords
in files are read when a client is made: one that lives as long as its process has those of its start.
"""

from __future__ import annotations

import functools
import ssl
from typing import TYPE_CHECKING, Any

from rules.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from faust.types.auth import CredentialsT
    from pydantic import SecretStr

    from streams.settings import Settings


def client_options(settings: Settings) -> dict[str, Any]:
    """Return the options of any aiokafka client that say where the broker is and how it lets us in.

    Raises `SettingsError` where a file that the settings name cannot be used.
    """
    security = settings.broker_security
    options: dict[str, Any] = {"bootstrap_servers": settings.broker, "security_protocol": security.upper()}
    if security.endswith("ssl"):
        options["ssl_context"] = _tls(settings)
    if security.startswith("sasl"):
        options["sasl_mechanism"] = settings.broker_sasl_mechanism
        options["sasl_plain_username"] = settings.broker_user
        options["sasl_plain_password"] = secret_of(
            settings.broker_password, settings.broker_password_file, "SEGUE_BROKER_PASSWORD_FILE"
        )
    return options


def faust_credentials(settings: Settings) -> CredentialsT | None:
    """Return the same for Faust, None for a broker that lets anybody in; raises `SettingsError`."""
    from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415 - half a second, and not every command's

    options = client_options(settings)
    tls = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            ssl_context=tls,
            mechanism=options["sasl_mechanism"],
        )
    return None if tls is None else SSLCredentials(tls)


def secret_of(given: SecretStr | None, file: Path | None, name: str) -> str | None:
    """Return a password that is given, or stands in a file; `name` is the setting of the file.

    Raises `SettingsError` where the file cannot be read or is empty.
    """
    if file is None:
        return None if given is None else given.get_secret_value()
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(name, file, "cannot be read", error) from None
    if not text:
        message = f"{name}: {file} is empty; write the password into it"
        raise SettingsError(message)
    return text


def _tls(settings: Settings) -> ssl.SSLContext:
    files = settings.broker_ca_file, settings.broker_cert_file, settings.broker_key_file
    written = tuple(_written_ns(file) for file in files if file is not None)
    return _context(*files, settings.broker_check_hostname, written)


@functools.lru_cache(maxsize=4)
def _context(
    ca: Path | None, certificate: Path | None, key: Path | None, check_hostname: bool, written: tuple[int, ...]
) -> ssl.SSLContext:
    """Return the context of these files; another one as soon as one of them was written anew."""
    del written
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        name, what = "SEGUE_BROKER_CA_FILE", "holds no certificates in PEM"
        raise _unusable(name, ca, what, error) from None
    context.check_hostname = check_hostname
    if certificate is not None:
        try:
            # without a password at hand OpenSSL would ask the terminal for that of an encrypted key
            context.load_cert_chain(certificate, key, password=lambda: "")
        except (OSError, ssl.SSLError) as error:
            what = "holds no certificate with its unencrypted key in PEM"
            name = "SEGUE_BROKER_CERT_FILE" if key is None else "SEGUE_BROKER_CERT_FILE and SEGUE_BROKER_KEY_FILE"
            raise _unusable(name, certificate, what, error) from None
    return context


def _written_ns(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0  # who reads it says what is wrong


def _unusable(name: str, file: Path | None, what: str, error: Exception) -> SettingsError:
    return SettingsError(f"{name}: {file} {what} ({getattr(error, 'strerror', None) or error}); correct the setting")
