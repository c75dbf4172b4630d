"""Dotted paths: a list on the way stands for its elements, one at the end is a value."""

from __future__ import annotations

from typing import Any

import pytest

from rules.paths import event_values, parse_path, values_at

TREE: dict[str, Any] = {
    "plain": 1,
    "nothing": None,
    "deep": {"er": {"still": "x"}},
    "items": [{"sku": "a", "tags": ["t1", "t2"]}, {"sku": None}, {"sku": 3}, "none", [{"sku": "nested"}]],
    "list": [1, 2],
    "empty": [],
    "large": 2**53 + 1,
    "a.b": "never found",
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("plain", (1,)),
        ("nothing", ()),
        ("absent", ()),
        ("plain.deeper", ()),
        ("deep", ({"er": {"still": "x"}},)),
        ("deep.er.still", ("x",)),
        ("deep.er.absent", ()),
        ("items.sku", ("a", 3, "nested")),
        ("items.tags", (["t1", "t2"],)),
        ("list", ([1, 2],)),
        ("empty", ([],)),
        ("empty.x", ()),
        ("items.0", ()),  # no indexes
        ("a.b", ()),
        ("large", (float(2**53 + 1),)),
    ],
)
def test_the_values_at_a_path(path: str, values: tuple[Any, ...]) -> None:
    assert values_at(TREE, parse_path(path)) == values


def test_an_integer_beyond_2_to_the_53_is_its_double() -> None:
    (value,) = values_at(TREE, ("large",))
    assert type(value) is float
    assert type(values_at({"n": 2**53}, ("n",))[0]) is int


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b"])
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no path; write names parted by single dots, like address\.city"):
        parse_path(text)


BODY: dict[str, Any] = {
    "type": "page",
    "userId": "c1",
    "messageId": "m1",
    "name": "Home",
    "properties": {"total": 3, "type": "a property", "context": None, "traits": {"plan": "of properties"}},
    "traits": {"plan": "pro", "age": 3},
    "context": {"page": {"url": "/x"}},
    "groupId": "g1",
    "previousId": "p1",
}


class TestInAnEvent:
    @pytest.mark.parametrize(
        ("path", "values"),
        [
            ("total", (3,)),
            ("properties.total", (3,)),
            ("type", ("a property",)),
            ("name", ("Home",)),
            ("groupId", ("g1",)),
            ("previousId", ("p1",)),
            ("context.page.url", ("/x",)),  # null in properties is as if it were not there
            ("traits.plan", ("of properties",)),
            ("traits.age", ()),  # the first step is there in properties: there it stays
            ("userId", ()),  # not one of the fields that a path reads
            ("messageId", ()),
        ],
    )
    def test_it_starts_in_properties_else_in_the_event(self, path: str, values: tuple[Any, ...]) -> None:
        assert event_values(parse_path(path))(BODY) == values

    def test_an_event_without_properties(self) -> None:
        assert event_values(("traits", "plan"))({"type": "identify", "traits": {"plan": "pro"}}) == ("pro",)
