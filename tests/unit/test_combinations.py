"""Settings of secured services: which go together, what clients are made of, and that no password is shown."""

from __future__ import annotations

import ast
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from faust.auth import SASLCredentials, SSLCredentials
from redis.asyncio.connection import parse_url

from rules.errors import SettingsError
from streams.broker_access import client_options, faust_credentials
from streams.redis_access import redis_url, views_url
from streams.settings import Settings, describe, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = {"SEGUE_BROKER_SECURITY": "sasl_ssl", "SEGUE_BROKER_USER": "u", "SEGUE_BROKER_PASSWORD": "hush"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pems(tmp_path: Path) -> dict[str, str]:
    """Return the settings that name the files of an authority and of a certificate of it."""
    authority = trustme.CA()
    leaf = authority.issue_cert("client.example")
    paths = {name: tmp_path / f"{name}.pem" for name in ("CA", "CERT", "KEY")}
    authority.cert_pem.write_to_path(paths["CA"])
    leaf.cert_chain_pems[0].write_to_path(paths["CERT"])
    leaf.private_key_pem.write_to_path(paths["KEY"])
    return {f"SEGUE_BROKER_{name}_FILE": str(path) for name, path in paths.items()}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"SEGUE_BROKER_USER": "u"}, "SEGUE_BROKER_USER: SEGUE_BROKER_SECURITY is plaintext: that has no users"),
        ({"SEGUE_BROKER_PASSWORD": "hush"}, "SEGUE_BROKER_PASSWORD: SEGUE_BROKER_SECURITY is plaintext"),
        (
            {"SEGUE_BROKER_CA_FILE": "ca.pem"},
            "SEGUE_BROKER_CA_FILE: SEGUE_BROKER_SECURITY is plaintext, without TLS; set",
        ),
        (
            {**USER, "SEGUE_BROKER_SECURITY": "ssl"},
            "SEGUE_BROKER_USER: SEGUE_BROKER_SECURITY is ssl: that has no users",
        ),
        ({**USER, "SEGUE_BROKER_USER": ""}, "SEGUE_BROKER_USER: SEGUE_BROKER_SECURITY is sasl_ssl, which needs a user"),
        (
            {**USER, "SEGUE_BROKER_PASSWORD": ""},
            "SEGUE_BROKER_PASSWORD: SEGUE_BROKER_SECURITY is sasl_ssl, which needs",
        ),
        ({**USER, "SEGUE_BROKER_PASSWORD_FILE": "p"}, "SEGUE_BROKER_PASSWORD: SEGUE_BROKER_PASSWORD_FILE is set, too"),
        ({**USER, "SEGUE_BROKER_KEY_FILE": "k"}, "SEGUE_BROKER_KEY_FILE: a key says nothing without its certificate"),
        ({"SEGUE_REDIS_CA_FILE": "ca.pem"}, "SEGUE_REDIS_CA_FILE: SEGUE_REDIS is no rediss:// URL"),
        ({"SEGUE_REDIS_CHECK_HOSTNAME": "no"}, "SEGUE_REDIS_CHECK_HOSTNAME: SEGUE_REDIS is no rediss:// URL"),
        (
            {"SEGUE_REDIS": "redis://u:hush@h:1", "SEGUE_REDIS_PASSWORD": "hush"},
            "SEGUE_REDIS_PASSWORD: SEGUE_REDIS has a password in its URL, too",
        ),
        (
            {"SEGUE_REDIS_PASSWORD": "hush", "SEGUE_REDIS_PASSWORD_FILE": "p"},
            "SEGUE_REDIS_PASSWORD: SEGUE_REDIS_PASSWORD_FILE is set, too",
        ),
        (
            {"SEGUE_REDIS": "rediss://h:1", "SEGUE_REDIS_KEY_FILE": "k"},
            "SEGUE_REDIS_KEY_FILE: a key says nothing without its certificate",
        ),
        (
            {"SEGUE_REDIS": "redis+cluster://h:1", "SEGUE_REDIS_VIEWS": "redis://h:2"},
            "SEGUE_REDIS_VIEWS: SEGUE_REDIS is a cluster, whose replicas are not read; remove it",
        ),
        (
            {"SEGUE_REDIS": "unix:///a/7?db=3", "SEGUE_REDIS_VIEWS": "redis://h:2/4"},
            "SEGUE_REDIS_VIEWS: its database is 4, that of SEGUE_REDIS is 3; write the same",
        ),
        (
            {"SEGUE_REDIS_PASSWORD": "hush", "SEGUE_REDIS_VIEWS": "redis://u:hush@h:2/0"},
            "SEGUE_REDIS_VIEWS: its URL has a password, and SEGUE_REDIS_PASSWORD is set, too",
        ),
        ({"SEGUE_REDIS_VIEWS": "redis+cluster://h:2"}, "SEGUE_REDIS_VIEWS: 'redis+cluster://h:2' will not do"),
        (
            {"SEGUE_BROKER_SECURITY": "tls"},
            "SEGUE_BROKER_SECURITY: 'tls' will not do: Input should be 'plaintext', 'ssl'",
        ),
    ],
)
def test_what_cannot_be_right_together_is_named(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(environ=environ)
    assert str(error.value).startswith(said)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {**USER, "SEGUE_BROKER_CA_FILE": "none.pem"},
            "SEGUE_BROKER_CA_FILE: none.pem holds no certificates in PEM (No ",
        ),
        ({**USER, "SEGUE_BROKER_CERT_FILE": "none.pem"}, "SEGUE_BROKER_CERT_FILE: none.pem holds no certificate with"),
        (
            {**USER, "SEGUE_BROKER_PASSWORD": "", "SEGUE_BROKER_PASSWORD_FILE": "none"},
            "SEGUE_BROKER_PASSWORD_FILE: none cannot be read (No such file",
        ),
        (
            {**USER, "SEGUE_BROKER_PASSWORD": "", "SEGUE_BROKER_PASSWORD_FILE": "empty"},
            "SEGUE_BROKER_PASSWORD_FILE: empty is empty; write the password into it",
        ),
    ],
)
def test_a_file_that_will_not_do_is_named(tmp_path: Path, environ: dict[str, str], said: str) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(SettingsError) as error:
        client_options(load_settings(environ=environ)[0])
    assert str(error.value).startswith(said)


def test_an_open_broker_is_come_into_with_nothing() -> None:
    settings = Settings(broker="h:1")
    assert client_options(settings) == {"bootstrap_servers": "h:1", "security_protocol": "PLAINTEXT"}
    assert faust_credentials(settings) is None


def test_user_and_tls(pems: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "p").write_text("hush\n")
    given = {**USER, **pems, "SEGUE_BROKER_PASSWORD": "", "SEGUE_BROKER_PASSWORD_FILE": "p"}
    settings = load_settings(environ={**given, "SEGUE_BROKER_SASL_MECHANISM": "plain"})[0]
    options = client_options(settings)
    tls = options["ssl_context"]
    assert (tls.check_hostname, tls.verify_mode, len(tls.get_ca_certs())) == (True, ssl.CERT_REQUIRED, 1)
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "PLAIN")
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("u", "hush")
    credentials = faust_credentials(settings)
    assert isinstance(credentials, SASLCredentials)
    assert (credentials.mechanism.value, credentials.password, credentials.ssl_context) == ("PLAIN", "hush", tls)
    assert credentials.protocol.value == "SASL_SSL"


def test_tls_alone(pems: dict[str, str]) -> None:
    settings = load_settings(environ={**pems, "SEGUE_BROKER_SECURITY": "SSL", "SEGUE_BROKER_CHECK_HOSTNAME": "no"})[0]
    options = client_options(settings)
    assert (options["security_protocol"], options["ssl_context"].check_hostname) == ("SSL", False)
    assert isinstance(faust_credentials(settings), SSLCredentials)


def test_a_certificate_that_was_renewed_is_read_anew(pems: dict[str, str]) -> None:
    settings = load_settings(environ={**pems, "SEGUE_BROKER_SECURITY": "ssl"})[0]
    first = client_options(settings)["ssl_context"]
    assert client_options(settings)["ssl_context"] is first
    assert settings.broker_ca_file is not None
    trustme.CA().cert_pem.write_to_path(settings.broker_ca_file)
    second = client_options(settings)["ssl_context"]
    assert second.get_ca_certs() != first.get_ca_certs()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SEGUE_REDIS": "redis://u:p@h:1/2"}, {"username": "u", "password": "p"}),
        (
            {"SEGUE_REDIS": "redis://u@h:1/2", "SEGUE_REDIS_PASSWORD": "a@b/c?d:e"},
            {"username": "u", "password": "a@b/c?d:e"},
        ),
        ({"SEGUE_REDIS": "redis://h:1/2", "SEGUE_REDIS_PASSWORD": "p"}, {"password": "p"}),
        (
            {"SEGUE_REDIS": "rediss://h:1/2?socket_timeout=3", "SEGUE_REDIS_CA_FILE": "/a b/ca.pem"},
            {"ssl_ca_certs": "/a b/ca.pem", "socket_timeout": 3.0},
        ),
        (
            {"SEGUE_REDIS": "rediss://h:1/2", "SEGUE_REDIS_CERT_FILE": "c", "SEGUE_REDIS_CHECK_HOSTNAME": "no"},
            {"ssl_certfile": "c", "ssl_keyfile": "c", "ssl_check_hostname": False},
        ),
    ],
)
def test_the_url_of_redis_has_it_all(environ: dict[str, str], expected: dict[str, Any]) -> None:
    found: dict[str, Any] = dict(parse_url(redis_url(load_settings(environ=environ)[0])))
    found.pop("connection_class", None)
    assert found == {"host": "h", "port": 1, "db": 2, **expected}


def test_the_replica_that_lookups_read_is_come_into_as_redis_is() -> None:
    """But for TLS, where it has none."""
    environ = {"SEGUE_REDIS": "rediss://u@h:1", "SEGUE_REDIS_PASSWORD": "p", "SEGUE_REDIS_CA_FILE": "ca.pem"}
    assert views_url(load_settings(environ=environ)[0]) == ""
    for scheme, query in (("rediss", "?ssl_ca_certs=ca.pem"), ("redis", "")):
        views = {"SEGUE_REDIS_VIEWS": f"{scheme}://v@h:2/0"}
        assert views_url(load_settings(environ=environ | views)[0]) == f"{scheme}://v:p@h:2/0{query}"


def test_no_password_is_shown() -> None:
    environ = {**USER, "SEGUE_REDIS": "redis://h:1?password=hush", "SEGUE_REDIS_PASSWORD": "hush"}
    settings, sources = load_settings(environ=environ)
    rows = {row.name: row.value for row in describe(settings, sources)}
    assert (rows["broker_password"], rows["redis_password"]) == ("***", "***")
    assert "hush" not in f"{rows} {settings!r} {settings.model_dump_json()}".replace(settings.redis, "")


def test_no_password_of_the_replica_is_shown() -> None:
    rows = describe(*load_settings(environ={"SEGUE_REDIS_VIEWS": "redis://u:hush@h:2/0"}))
    assert {row.name: row.value for row in rows}["redis_views"] == "redis://u:***@h:2/0"


def test_no_password_is_shown_where_it_will_not_do(tmp_path: Path) -> None:
    (tmp_path / "segue.toml").write_text("broker_password = 4711\n")
    with pytest.raises(SettingsError, match=r"broker_password: \*\*\* will not do") as error:
        load_settings(environ={})
    assert "4711" not in str(error.value)


def test_services_of_our_own_are_come_into_with_nothing(pems: dict[str, str]) -> None:
    given = load_settings(
        environ={
            **USER,
            **pems,
            "SEGUE_REDIS": "rediss://h:1",
            "SEGUE_REDIS_VIEWS": "rediss://h:3",
            "SEGUE_REDIS_PASSWORD": "hush",
        }
    )[0]
    own = given.model_copy(update={**Settings.without_security, "broker": "h:1", "redis": "redis://h:2"})
    assert client_options(own) == client_options(Settings(broker="h:1"))
    assert (redis_url(own), views_url(own)) == ("redis://h:2", "")


CLIENTS = {"AIOKafkaAdminClient", "AIOKafkaClient", "AIOKafkaConsumer", "AIOKafkaProducer"}
STREAMS = Path(__file__).parents[2] / "streams"


def made_clients(source: str) -> Iterator[ast.Call]:
    """Yield where a client of the broker is made."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLIENTS:
            yield node


def test_every_client_of_the_broker_has_its_options_from_one_place() -> None:
    made = 0
    for path in STREAMS.rglob("*.py"):
        for call in made_clients(path.read_text()):
            if path.name == "embedded.py":  # of a broker that is our own
                continue
            made += 1
            assert any(
                keyword.arg is None and ast.unparse(keyword.value).startswith("client_options(")
                for keyword in call.keywords
            ), f"{path}:{call.lineno}"
    assert made > 10
