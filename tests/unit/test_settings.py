"""Settings: which are known, what they may be, where they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.errors import SettingsError
from streams.settings import Settings, describe, load_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults() -> None:
    settings, sources = load_settings(environ={})
    assert (settings.app_id, settings.partitions, settings.grace, settings.clock_skew) == ("segue", 8, 1_000, 100)
    assert (settings.max_future, settings.max_late) == (60_000, 86_400_000)
    assert set(sources.values()) == {"default"}


def test_the_contracts_settings_are_all_there() -> None:
    names = (
        "broker redis rules app_id topic_prefix partitions grace clock_skew max_future max_late allow_create_time "
        "view_traits http_host http_port log_level"
    )
    assert set(names.split()) <= set(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())


def test_the_stronger_source_wins(tmp_path: Path) -> None:
    (tmp_path / "segue.toml").write_text('grace = "1s"\nclock_skew = "2s"\nmax_late = "3s"\n')
    environ = {"SEGUE_CLOCK_SKEW": "20s", "SEGUE_MAX_LATE": "30s"}
    settings, sources = load_settings({"max_late": "300s", "partitions": None}, environ)
    assert (settings.grace, settings.clock_skew, settings.max_late) == (1_000, 20_000, 300_000)
    assert sources["grace"] == "segue.toml"
    assert sources["clock_skew"] == "SEGUE_CLOCK_SKEW"
    assert sources["max_late"] == "option --max-late"
    assert sources["partitions"] == "default"


def test_a_file_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "else.toml"
    file.write_text('view_traits = ["plan", "city"]\nallow_create_time = true\n')
    settings, sources = load_settings(environ={"SEGUE_SETTINGS": str(file)})
    assert settings.view_traits == ["plan", "city"]
    assert settings.allow_create_time
    assert sources["view_traits"] == str(file)


@pytest.mark.parametrize(
    ("variable", "text", "attribute", "expected"),
    [
        ("SEGUE_VIEW_TRAITS", "plan, city", "view_traits", ["plan", "city"]),
        ("SEGUE_VIEW_TRAITS", "", "view_traits", []),
        ("SEGUE_GRACE", "1.5s", "grace", 1_500),
        ("SEGUE_GRACE", "0s", "grace", 0),
        ("SEGUE_BROKER", "a:9092, b:9093", "broker", "a:9092,b:9093"),
        ("SEGUE_BROKER", "[::1]:9092", "broker", "[::1]:9092"),
        ("SEGUE_REDIS", "rediss://u:p@h:1/2", "redis", "rediss://u:p@h:1/2"),
        ("SEGUE_REDIS", "redis+cluster://u:p@h:1,i:2", "redis", "redis+cluster://u:p@h:1,i:2"),
        ("SEGUE_ALLOW_CREATE_TIME", "true", "allow_create_time", True),
        ("SEGUE_HTTP_PORT", "0", "http_port", 0),
    ],
)
def test_a_value_from_the_environment(variable: str, text: str, attribute: str, expected: object) -> None:
    assert getattr(load_settings(environ={variable: text})[0], attribute) == expected


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("SEGUE_GRACE", "30 days", "write 30d"),
        ("SEGUE_GRACE", "-1s", "is no duration"),
        ("SEGUE_GRACE", "5", "is no duration"),
        ("SEGUE_PUBLISH_DEADLINE", "0s", "greater than 0"),
        ("SEGUE_BROKER", "localhost", "host:port"),
        ("SEGUE_BROKER", "localhost:99999", "host:port"),
        ("SEGUE_BROKER", "", "host:port"),
        ("SEGUE_REDIS", "localhost:6379", "pattern"),
        ("SEGUE_PARTITIONS", "0", "greater than or equal to 1"),
        ("SEGUE_PARTITIONS", "many", "valid integer"),
        ("SEGUE_LOG_LEVEL", "loud", "'debug', 'info'"),
        ("SEGUE_APP_ID", "a b", "pattern"),
        ("SEGUE_TOPIC_PREFIX", "a/b", "pattern"),
        ("SEGUE_ALLOW_CREATE_TIME", "perhaps", "boolean"),
    ],
)
def test_a_value_that_is_none_is_named_with_the_remedy(variable: str, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(environ={variable: text})
    assert str(error.value).startswith(f"{variable}: {text!r} ")
    assert said in str(error.value)


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^SEGUE_GRCE: there is no such setting.*did you mean grace\?$"):
        load_settings(environ={"SEGUE_GRCE": "1s"})


def test_an_unknown_key_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "segue.toml").write_text("[broker_options]\nx = 1\n")
    with pytest.raises(SettingsError, match=r"^segue\.toml: broker_options: there is no such setting"):
        load_settings(environ={})


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({"partitions": 0}, {"SEGUE_GRACE": "x", "SEGUE_FOO": "1"})
    lines = str(error.value).splitlines()
    assert {line.split(":")[0] for line in lines} == {"SEGUE_GRACE", "option --partitions", "SEGUE_FOO"}


@pytest.mark.parametrize(("content", "said"), [("grace = ", "no TOML"), ("\xff", "no TOML")])
def test_a_broken_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "segue.toml").write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match=rf"^segue\.toml: .*{said}"):
        load_settings(environ={})


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="SEGUE_SETTINGS"):
        load_settings(environ={"SEGUE_SETTINGS": "nowhere.toml"})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("redis://:secret@h:1/2", "redis://:***@h:1/2"),
        ("redis+cluster://user:secret@h:1,i:2", "redis+cluster://user:***@h:1,i:2"),
        ("rediss://user:se:cret@h:1", "rediss://user:***@h:1"),
        ("redis://user:s@cret@h:1/0", "redis://user:***@h:1/0"),
    ],
)
def test_a_password_is_masked(url: str, shown: str) -> None:
    rows = {row.name: row for row in describe(*load_settings(environ={"SEGUE_REDIS": url}))}
    assert rows["redis"].value == shown
    assert rows["redis"].source == "SEGUE_REDIS"
    assert rows["grace"].value == "1s"
    assert rows["max_late"].value == "1d"


def test_a_password_is_masked_in_errors() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(environ={"SEGUE_REDIS": "http://user:secret@h"})
    assert "secret" not in str(error.value)
