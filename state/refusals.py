"""A server that is there and does not let us: what it is about, and the remedy. Waiting for it mends nothing."""

from __future__ import annotations

import ssl

from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError

_WORDS = {
    "NOPERM": "give its user the commands and keys that docs/operations.md lists",
    "NOAUTH": "put a user into SEGUE_REDIS and its password into SEGUE_REDIS_PASSWORD",
    "WRONGPASS": "correct the user in SEGUE_REDIS and its password",
}
_IN_SCRIPT = "ACL failure in script"
"""How it begins where a command of a script is not allowed; it has no word of its own."""

_EXPIRED = frozenset((9, 10))
_OTHER_HOST = frozenset((62, 64))


def remedy_of(error: Exception, word: str) -> str:
    """Return what to do about a refusal, nothing where the error is none; `word` is the server's own for it."""
    tls = _tls_error(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return _certificate(tls)
    if tls is not None and tls.reason == "WRONG_VERSION_NUMBER":
        return "it does not speak TLS there; write redis:// in SEGUE_REDIS, or another port"
    if tls is not None and "ALERT" in str(tls.reason):
        return "it does not take our certificate; correct SEGUE_REDIS_CERT_FILE"
    if str(error).startswith(_IN_SCRIPT):
        return _WORDS["NOPERM"]
    if isinstance(error, AuthenticationError | AuthorizationError | NoPermissionError) or word in _WORDS:
        return _WORDS.get(word, _WORDS["WRONGPASS"])
    return ""


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Return what of TLS made it: redis-py wraps that."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _EXPIRED:
        return "its certificate is out of date; renew it, or set this machine's clock"
    if error.verify_code in _OTHER_HOST:
        return "its certificate is for another host; name the host in SEGUE_REDIS as the certificate does"
    return "we do not know who vouches for its certificate; put its CA's into SEGUE_REDIS_CA_FILE"
