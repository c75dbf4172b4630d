"""What the demo is made of: the purchases, the story and its charts."""

from __future__ import annotations

import gzip
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from rules.dates import parse_timestamp
from rules.errors import ReplayError
from rules.load import load_ruleset
from streams.demo import cdnow
from streams.demo.charts import terminal_chart, write_png
from streams.demo.ending import sparkline
from streams.demo.story import Story

if TYPE_CHECKING:
    from pathlib import Path

WEEK_MS = 7 * 86_400_000


def test_the_purchases_are_all_there_oldest_first_and_the_same_each_time() -> None:
    found = cdnow.purchases()
    assert len(found) == 69_659
    assert len({purchase.customer for purchase in found}) == cdnow.CUSTOMERS
    assert [purchase.at_ms for purchase in found] == sorted(purchase.at_ms for purchase in found)
    assert found == cdnow.purchases()
    assert round(sum(purchase.total for purchase in found)) == 2_500_316


def test_a_purchase_stays_on_its_day_and_keeps_what_was_paid() -> None:
    by_number = {purchase.number: purchase for purchase in cdnow.purchases()}
    # the third line of data: 00002 19970112  5   77.00
    event = cdnow.event_of(by_number[3])
    assert event["timestamp"][:10] == "1997-01-12"
    assert parse_timestamp(event["timestamp"]) == by_number[3].at_ms
    assert {**event, "timestamp": ""} == {
        "type": "track", "messageId": "cdnow-3", "userId": "00002", "event": "Order Completed", "timestamp": "",
        "properties": {"total": 77.0, "quantity": 5},
    }  # fmt: skip


def test_a_file_that_is_not_there_or_another_one_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="--data"):
        cdnow.purchases(tmp_path / "none.gz")
    other = tmp_path / "other.gz"
    for content in (b"no gzip", gzip.compress(b"head\n00001 1997 1 2\n"), gzip.compress(b"")):
        other.write_bytes(content)
        with pytest.raises(ReplayError, match="cannot be read as the CDNOW purchases"):
            cdnow.purchases(other)


@pytest.fixture
def story() -> Story:
    story = Story(load_ruleset(cdnow.RULES))
    for week in range(30):
        sizes = Counter({"lifecycle.new": 100 - week, "lifecycle.lost": week, "value.low": 100, "big_basket": week % 3})
        story.week(852_076_800_000 + week * WEEK_MS, week * 10, +sizes)
    return story


def test_a_story_picks_the_crossings_into_segments_that_were_shown_longest_ago() -> None:
    story = Story(load_ruleset(cdnow.RULES))
    shown = []
    for week in range(4):
        for name in ("lifecycle.new", "lifecycle.loyal", "value.high", "big_basket", "lifecycle.lost"):
            story.changed(name, "entered", b'{"segment":"%b","seq":2}' % name.encode())
        story.changed("value.low", "entered", b'{"segment":"first of a customer","seq":1}')
        story.changed("vip_slipping", "exited", b'{"segment":"left","seq":5}')
        story.week(week, 0, Counter())
        shown += [change["segment"] for change in story.picked]
    assert shown == [
        "lifecycle.new", "lifecycle.loyal", "value.high",
        "big_basket", "lifecycle.lost", "lifecycle.new",
        "lifecycle.loyal", "value.high", "lifecycle.new",
        "big_basket", "lifecycle.lost", "lifecycle.new",
    ]  # fmt: skip


def test_segments_nobody_was_in_are_left_out(story: Story) -> None:
    lifecycle, value, own = story.groups
    assert [line.title for line in story.present(lifecycle)] == ["New", "Lost"]
    assert [line.title for line in story.present(value)] == ["Low value"]
    assert [line.title for line in story.present(own)] == ["Big basket"]
    assert [line.title for line in lifecycle.lines] == ["Prospect", "New", "Active", "Loyal", "At risk", "Lost"]


@pytest.mark.parametrize("colour", [True, False])
def test_the_terminal_s_chart_fits_and_names_what_it_shows(story: Story, colour: bool) -> None:
    text = terminal_chart(story, story.groups[0], 80, colour=colour)
    assert ("\x1b" in text) is colour
    if not colour:
        assert max(map(len, text.splitlines())) == 80
        assert "100┤" in text
        for words in ("New", "Lost", "Jan 1997", "Apr 1997"):
            assert words in text
        assert "Prospect" not in text


def test_the_picture_is_one(story: Story, tmp_path: Path) -> None:
    write_png(story, tmp_path / "picture.png", "a source")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_sparkline_has_its_largest_size_as_the_full_block() -> None:
    line = sparkline([0] * 10 + list(range(100)))
    assert (line[0], line[-1], len(line)) == (" ", "█", 26)
    assert sparkline([0, 0]) == " " * 26
