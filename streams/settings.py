"""The settings of an app: their names, meanings, defaults, and where each value came from.

A setting `grace` is given, the stronger first: on the command line, as `SEGUE_GRACE` in the environment, as
`grace = "1s"` in a TOML file (`SEGUE_SETTINGS` names it, else `segue.toml` in the current folder where there is one).
Durations have the segment language's form (`1s`, `100ms`) and are milliseconds in here.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from rules.durations import format_duration, parse_duration
from rules.errors import SettingsError
from streams.combinations import faults_together

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "SEGUE_"
FILE_VARIABLE = "SEGUE_SETTINGS"
DEFAULT_FILE = Path("segue.toml")

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:,\[\]]+):([0-9]{1,5})")
_IN_QUERY = re.compile(r"([?&][a-z_]*password=)[^&']*")
_MOST_PORTS = 65_535


def _duration(value: object) -> object:
    return value if isinstance(value, int) and not isinstance(value, bool) else parse_duration(value)


def _lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper_case(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _or_none(value: object) -> object:
    """Take an empty text for none: what passes settings on may have nothing for some."""
    return None if value == "" else value


def _names(value: object) -> object:
    """Split a comma-separated text: the environment knows no lists."""
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError as error:
        message = f"{error}; write 10.1.0.0/16"
        raise ValueError(message) from None


def _broker(value: object) -> object:
    if isinstance(value, str):
        for address in value.split(","):
            match = _ADDRESS.fullmatch(address.strip())
            if match is None or not 0 < int(match[2]) <= _MOST_PORTS:
                message = f"{address.strip()!r} is no address; write host:port, several with commas"
                raise ValueError(message)
        return ",".join(address.strip() for address in value.split(","))
    return value


Duration = Annotated[int, BeforeValidator(_duration), PlainSerializer(format_duration), Field(ge=0)]
Patience = Annotated[int, BeforeValidator(_duration), PlainSerializer(format_duration), Field(gt=0)]
Name = Annotated[str | None, BeforeValidator(_or_none)]
File = Annotated[Path | None, BeforeValidator(_or_none)]
Secret = Annotated[SecretStr | None, BeforeValidator(_or_none)]
Names = Annotated[list[str], NoDecode, BeforeValidator(_names)]
Networks = Annotated[list[Annotated[str, AfterValidator(_network)]], NoDecode, BeforeValidator(_names)]
Broker = Annotated[str, BeforeValidator(_broker)]
TopicPrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")]
AppId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Settings(BaseSettings):
    """All settings; durations in milliseconds. Made by `load_settings`, or directly in tests."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)
    secret: ClassVar[frozenset[str]] = frozenset(("redis", "redis_views", "broker_password", "redis_password"))
    without_security: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "broker_security": "plaintext",
            "broker_user": None,
            "broker_password": None,
            "broker_password_file": None,
            "broker_ca_file": None,
            "broker_cert_file": None,
            "broker_key_file": None,
            "redis_views": "",
            "redis_password": None,
            "redis_password_file": None,
            "redis_ca_file": None,
            "redis_cert_file": None,
            "redis_key_file": None,
            "redis_check_hostname": True,
        }
    )
    """What the embedded services are come into with: they know neither TLS nor users."""

    broker: Broker = Field("127.0.0.1:9092", description="Kafka: `host:port`, several with commas.")
    broker_security: Annotated[
        Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], BeforeValidator(_lower_case)
    ] = Field("plaintext", description="How Kafka is come into: `ssl` is TLS, `sasl_ssl` TLS with user and password.")
    broker_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], BeforeValidator(_upper_case)
    ] = Field("SCRAM-SHA-512", description="How the password is shown to Kafka; `PLAIN` sends it as it is.")
    broker_user: Name = Field(None, description="The user, with `sasl_ssl` and `sasl_plaintext`.")
    broker_password: Secret = Field(None, description="The user's password.")
    broker_password_file: File = Field(None, description="A file with the user's password, instead: a mounted secret.")
    broker_ca_file: File = Field(
        None, description="The certificates (PEM) that may vouch for Kafka's; the system's where none is given."
    )
    broker_cert_file: File = Field(None, description="Our own certificate (PEM), where Kafka asks clients for one.")
    broker_key_file: File = Field(
        None, description="The key of it (PEM, not encrypted), where it does not stand in the same file."
    )
    broker_check_hostname: bool = Field(True, description="Whether Kafka's certificate must be for the host asked.")
    redis: str = Field(
        "redis://127.0.0.1:6379/0",
        pattern=r"^(rediss?(\+cluster)?|unix)://",
        description="Redis or Valkey: `redis://host:port/db`, `rediss://` for TLS; a cluster is "
        "`redis+cluster://host:port,host:port` or `rediss+cluster://`.",
    )
    redis_views: str = Field(
        "",
        pattern=r"^((rediss?|unix)://.*)?$",
        description="A replica of Redis that lookups read while it follows: `redis://host:port/db`, the same database. "
        "Password and certificates are those of Redis.",
    )
    redis_replicas: int = Field(
        0,
        ge=0,
        le=32,
        description="So many replicas of Redis must have a commit before it counts; 0 waits for none (`WAIT`).",
    )
    redis_replicas_patience: Patience = Field(
        1_000, description="How long a commit waits for them before that is logged and they are asked again."
    )
    redis_durable: bool = Field(
        True, description="Refuse a Redis that may lose what it acknowledged; with `false` a worker only warns."
    )
    redis_password: Secret = Field(
        None, description="The password of the user in `SEGUE_REDIS`, where the URL has none."
    )
    redis_password_file: File = Field(None, description="A file with that password, instead: a mounted secret.")
    redis_ca_file: File = Field(
        None, description="Certificates (PEM) that may vouch for Redis', beside the system's; with `rediss://`."
    )
    redis_cert_file: File = Field(None, description="Our own certificate (PEM), where Redis asks clients for one.")
    redis_key_file: File = Field(
        None, description="The key of it (PEM, not encrypted), where it does not stand in the same file."
    )
    redis_check_hostname: bool = Field(True, description="Whether Redis' certificate must be for the host asked.")
    rules: Path | None = Field(None, description="The definitions: a file or a folder.")
    app_id: AppId = Field(
        "segue", description="Names the app: consumer group, transactional ids, and the prefix of its keys in Redis."
    )
    topic_prefix: TopicPrefix = Field("", description="Stands before each topic's name.")
    partitions: int = Field(8, ge=1, le=10_000, description="Partitions of the events and of the changes.")
    replication: int = Field(-1, ge=-1, le=32, description="Copies of each topic made; -1 is the broker's default.")
    grace: Duration = Field(1_000, description="How long a timer waits for events that are on their way.")
    clock_skew: Duration = Field(100, description="By how much the clocks of two brokers may differ.")
    max_future: Duration = Field(
        60_000, description="An event further ahead of the broker's time than this is taken at the broker's time."
    )
    max_late: Duration = Field(
        86_400_000, description="An event further behind its customer's clock takes no part in a `sequence`."
    )
    allow_create_time: bool = Field(
        False, description="Work on topics that keep the producers' times, such as the embedded broker's."
    )
    view_traits: Names = Field([], description="Traits that the view of a customer shows, with commas.")
    http_host: str = Field("127.0.0.1", description="Where HTTP is served.")
    http_port: int = Field(8080, ge=0, le=_MOST_PORTS, description="The port of it; 0 takes a free one.")
    http_public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$",
        description="What pages are told to send to (analytics.js); the address they asked where empty.",
    )
    http_origins: Names = Field([], description="Origins whose pages may send and ask, with commas; `*` is all.")
    http_connections: int = Field(4_000, ge=1, le=1_000_000, description="Connections at once, at most.")
    http_streams: int = Field(
        2_000, ge=1, le=1_000_000, description="Clients of the stream at once, at most; each is a connection, too."
    )
    http_in_flight: int = Field(
        64 * 1024**2,
        ge=48 * 1024**2,
        description="Bytes of events that may be on their way to the broker; beyond, 429.",
    )
    http_read_timeout: Patience = Field(10_000, description="How long a request's head may take to come, and its body.")
    http_ack_timeout: Patience = Field(
        8_000, description="How long the broker may take to have a request's events; then 503. SDKs give up at 10 s."
    )
    webhooks_http: bool = Field(
        False, description="Send webhooks to `http://` URLs too, which anybody on the way reads."
    )
    webhooks_networks: Networks = Field(
        [],
        description="Networks that webhooks may go to though they are not public, with commas: `10.1.0.0/16,fd00::/8`.",
    )
    http_history: int = Field(
        50, ge=0, le=1_000, description="Changes of each customer that are kept to be looked up; 0 keeps none."
    )
    worker_host: str = Field("127.0.0.1", description="Where a worker answers `/healthz`, `/readyz` and `/metrics`.")
    worker_port: int | None = Field(
        None, ge=0, le=_MOST_PORTS, description="The port of it; 0 takes a free one, and without it nothing listens."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged; customers' ids at `debug` only."
    )
    log_format: Literal["text", "json"] = Field("text", description="`json` logs one object a line.")

    chunk_size: int = Field(5_000, ge=1, le=100_000, description="Records of a partition in one commit, at most.")
    chunks_ahead: int = Field(2, ge=1, le=100, description="Chunks read ahead of the one at work, a partition.")
    fetch_wait: Patience = Field(
        25, description="How long the broker may hold a fetch that finds nothing; Kafka answers at the first record."
    )
    cache_customers: int = Field(
        50_000, ge=1, description="Customers of a partition kept in memory between chunks; 0.5 to 3 KB each."
    )
    sweep_customers: int = Field(500, ge=1, le=10_000, description="Customers whose timers fire in one commit.")
    publish_deadline: Patience = Field(
        10_000,
        description="How long changes, 1 MB at a time, may take to be acknowledged; then the partition starts over.",
    )
    takeover_deadline: Patience = Field(
        30_000, description="How long one step of taking a partition over may take before it is tried again."
    )
    revoke_deadline: Patience = Field(
        3_000, description="How long the chunk at work may take to end when its partition goes to another worker."
    )
    stall_deadline: Patience = Field(
        120_000,
        description="A worker ends with an error when a partition gets nothing done for so long although records wait "
        "and broker and Redis answer; whatever started it is to start it again.",
    )
    session_timeout: Patience = Field(
        6_000, description="After so long without a sign of life another worker gets the partitions."
    )
    snapshot_every: int = Field(
        500, ge=1, le=100_000, description="A model is published after so many samples learned, or after 10 s."
    )
    samples_retention: Patience = Field(
        90 * 86_400_000,
        description="How long samples are kept, where `segue topics` makes their topic: what models learn again from.",
    )
    rules_poll: Patience = Field(2_000, description="How often a worker asks which ruleset is active.")
    changeover_rate: int = Field(
        2_000, ge=10, description="Customers looked at a second, a partition, after a change of the definitions."
    )
    poison_per_minute: int = Field(
        10, ge=0, description="More unexpected errors on events than this within a minute stop the worker."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what is passed: `load_settings` gathers the sources itself, to know where each value is from."""
        return (init_settings,)


class Given(NamedTuple):
    """One setting's value as it was given, and where."""

    value: Any
    source: str


class Row(NamedTuple):
    """One line of `segue config`; the value is masked where it is secret."""

    name: str
    value: str
    source: str
    description: str


def load_settings(
    options: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> tuple[Settings, dict[str, str]]:
    """Return the settings in force, and for each where it came from.

    Parameters
    ----------
    options
        What the command line gave: setting -> value. None values were not given.
    environ
        The environment; the process's own where None.

    Raises
    ------
    SettingsError
        if a setting is unknown, its value is none, or some do not go together; all in one text, a line each.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, Given] = {}
    given.update(_from_file(environ))
    given.update(_from_environment(environ))
    for name, value in (options or {}).items():
        if value is not None:
            given[name] = Given(value, f"option --{name.replace('_', '-')}")
    try:
        settings = Settings(**{name: item.value for name, item in given.items()})
    except ValidationError as error:
        raise SettingsError("\n".join(_faults(error, given))) from None
    if together := list(faults_together(settings)):
        raise SettingsError("\n".join(together))
    sources = {name: given[name].source if name in given else "default" for name in Settings.model_fields}
    return settings, sources


def describe(settings: Settings, sources: Mapping[str, str]) -> list[Row]:
    """Return what `segue config` shows: every setting, its value with secrets masked, and where it came from."""
    values = settings.model_dump(mode="json")
    return [
        Row(
            name,
            _shown(name, str(_plain(values[name]))),
            sources[name],
            str(field.description),
        )
        for name, field in Settings.model_fields.items()
    ]


def _from_file(environ: Mapping[str, str]) -> Iterator[tuple[str, Given]]:
    named = environ.get(FILE_VARIABLE)
    path = Path(named) if named else DEFAULT_FILE
    if not named and not path.exists():
        return
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path}: cannot read the settings file ({error.strerror}); correct {FILE_VARIABLE} or remove it"
        raise SettingsError(message) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: the settings file is no TOML: {error}"
        raise SettingsError(message) from None
    for name, value in content.items():
        yield name, Given(value, str(path))


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Given]]:
    for variable, value in sorted(environ.items()):
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE:
            yield variable.removeprefix(PREFIX).lower(), Given(value, variable)


def _faults(error: ValidationError, given: Mapping[str, Given]) -> Iterator[str]:
    for fault in error.errors():
        name = str(fault["loc"][0])
        source = given[name].source
        where = source if source.startswith((PREFIX, "option ")) else f"{source}: {name}"
        if fault["type"] == "extra_forbidden":
            yield f"{where}: there is no such setting; `segue config` lists all{_meant(name)}"
        else:
            shown = _shown(name, repr(given[name].value))
            yield f"{where}: {shown} will not do: {fault['msg'].removeprefix('Value error, ')}"


def _meant(name: str) -> str:
    import difflib  # noqa: PLC0415 - needed for errors only

    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _plain(value: object) -> object:
    if value is None or value == "":
        return "-"
    return ",".join(value) or "-" if isinstance(value, list) else value


def _shown(name: str, text: str) -> str:
    """Hide what is secret: a password, and the one in a URL."""
    if name not in Settings.secret or text == "-":
        return text
    return _mask(text) if name in {"redis", "redis_views"} else "***"


def _mask(text: str) -> str:
    """Hide the password of a URL, and the whole of a text that hides one in another way."""
    text = _IN_QUERY.sub(r"\1***", text)
    if "@" not in text:
        return text
    parts = urlsplit(text)
    if parts.password is None and parts.username is None:
        return "***"
    host = text.rsplit("@", 1)[1].split("/", 1)[0]
    user = parts.username or ""
    return urlunsplit(parts._replace(netloc=f"{user}:***@{host}"))
