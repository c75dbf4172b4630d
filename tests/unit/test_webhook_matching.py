from __future__ import annotations

from typing import Any

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from streams.changes import source_of
from streams.http.webhooks.matching import Found, Wanted, found
from tests.unit.webhook_fakes import change_of, endpoint_of, record_of


def record(app_id: str = "segue", **fields: Any) -> ConsumerRecord[bytes | None, bytes | None]:
    key, value, headers = record_of(app_id, change_of("c1", 1, **fields))
    return ConsumerRecord("changes", 0, 7, 0, 0, key, value, None, len(key), len(value), tuple(headers))


def read(**fields: Any) -> Found:
    change = found(record(**fields), source_of("segue"))
    assert change is not None
    return change


OWN = {"segment": "vip"}
STAGE = {"segment": "loyal", "segmentation": "stage"}


@pytest.mark.parametrize(
    ("asked", "change", "takes"),
    [
        ({}, OWN, True),
        ({"segments": ("vip",)}, OWN, True),
        ({"segments": ("loyal",)}, OWN, False),
        ({"segments": ()}, OWN, False),
        ({"segments": ("stage",)}, STAGE, True),
        ({"segments": ("stage.loyal",)}, STAGE, True),
        ({"segments": ("loyal",)}, STAGE, True),
        ({"segments": ("stage.at_risk", "x.loyal")}, STAGE, False),
        ({"changes": ("exited",)}, OWN, False),
        ({"changes": ("exited",)}, OWN | {"change": "exited"}, True),
        ({}, OWN | {"cause": {"type": "definition"}}, False),
        ({"causes": ("definition",)}, OWN | {"cause": {"type": "definition"}}, True),
        ({}, OWN | {"cause": {"type": "timer"}}, True),
    ],
)
def test_an_endpoint_gets_what_it_asked_for(asked: dict[str, Any], change: dict[str, Any], takes: bool) -> None:
    assert Wanted(endpoint_of(**asked)).takes(read(**change)) is takes


def test_the_body_has_the_change_as_the_topic_has_it() -> None:
    change = read()
    body = orjson.loads(change.body())
    assert body == {"type": "segment.entered", "timestamp": change.at, "data": orjson.loads(change.value)}


def test_traits_are_put_beside_what_the_change_says() -> None:
    change = read()
    data = orjson.loads(change.body({"email": 'a"b@c', "tier": None}))["data"]
    assert data == orjson.loads(change.value) | {"traits": {"email": 'a"b@c', "tier": None}}


def test_another_apps_changes_and_what_is_no_change_are_left_out() -> None:
    assert found(record("other"), source_of("segue")) is None
    broken = record()
    broken.value = b'{"id": 1}'
    assert found(broken, source_of("segue")) is None
