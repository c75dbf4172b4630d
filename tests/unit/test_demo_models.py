"""What the demo of models is made of: its story, its screen, its ending and its picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import pytest
from rich.console import Console

from rules.dates import parse_timestamp
from rules.load import load_ruleset
from state.models.sample import Sample
from state.models.snapshot import decode, encode
from state.models.trainer import Trainer
from streams.demo import cdnow
from streams.demo.learning import LOSING, RULES, LearningStory
from streams.demo.learning_ending import lost_lines, persona_table
from streams.demo.learning_picture import write_png
from streams.demo.learning_screen import LearningScreen
from streams.insight.sources import book_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rules.models.definition import AnyModel
    from rules.ruleset import Ruleset

WEEK_MS = 7 * 86_400_000
FIRST_MS = 852_076_800_000
END_MS = parse_timestamp("1998-06-30T00:00:00.000Z") or 0


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return load_ruleset(RULES)


def test_the_demo_s_models_load_without_a_warning_and_one_timer_serves_them_all(ruleset: Ruleset) -> None:
    assert ruleset.warnings == ()
    assert [model.kind for model in ruleset.models] == ["propensity", "value", "clusters"]
    within = {model.target.within for model in ruleset.models if model.kind in ("propensity", "value")}
    assert within == {model.sample.every for model in ruleset.models}
    assert {segment.key for segment in ruleset.segments} == {"valuable", LOSING}


def versions(model: AnyModel, weeks: int) -> Iterator[bytes]:
    """Yield a version a week of a model that learned a hundred samples in each."""
    trainer, count = Trainer(model), len(model.feature_names)
    for week in range(weeks):
        for number in range(100):
            level = (number * 37 % 100) / 100
            score = None if model.kind == "clusters" else level
            trainer.learn(
                Sample(
                    model.key, model.definition, f"u{number}", FIRST_MS, FIRST_MS + week * WEEK_MS, "timer",
                    tuple(level * (1 + place) for place in range(count)), float(level > 0.5), score, 1,
                ),
                source=(0, week, number),
                offset=week * 100 + number,
            )  # fmt: skip
        yield encode(trainer.snapshot(1_800_000_000_000))


def change(customer: str, move: str = "entered", name: str = LOSING) -> tuple[str, str, bytes]:
    because = [
        {"path": "when.all[0].in_segment", "holds": True, "text": "is in valuable (95d)"},
        {"path": "when.all[1].score", "holds": True, "text": "score buys_again less than 0.2 (0.18, version 7)"},
    ]
    tree: dict[str, Any] = {
        "customer_id": customer, "change": move, "segment": name.rpartition(".")[2],
        "segmentation": name.rpartition(".")[0] or None, "other": None, "at": "1998-02-11T10:00:00.000Z",
        "because": because, "cause": {"type": "timer"},
    }  # fmt: skip
    return name, move, orjson.dumps(tree)


@pytest.fixture(scope="module")
def story(ruleset: Ruleset) -> LearningStory:
    """Return eight weeks of it."""
    story = LearningStory(ruleset)
    made = {model.key: versions(model, 8) for model in ruleset.models}
    for customer in ("03537", "06851", "00001"):
        story.changed(*change(customer))
    story.changed(*change("00001", "exited"))
    for customer, cluster in (("03537", "c2"), ("06851", "c1"), ("06851", "c3"), ("00004", "c3")):
        story.changed(*change(customer, name=f"personas.{cluster}"))
    for week in range(1, 9):
        for key, coming in made.items():
            story.learned(key, next(coming))
        story.week(END_MS - (8 - week) * WEEK_MS, week * 100)
    return story


def test_the_course_is_by_the_shop_s_time(story: LearningStory) -> None:
    entry = story.entries[0]
    assert [point.samples for point in entry.course] == list(range(100, 900, 100))
    assert [point.at_ms for point in entry.course] == [END_MS - (8 - week) * WEEK_MS for week in range(1, 9)]


def test_who_is_about_to_be_lost_is_who_entered_and_did_not_leave_the_most_valuable_first(story: LearningStory) -> None:
    assert story.losing == 2
    lost = story.lost(cdnow.purchases())
    assert [(one.customer, one.spent) for one in lost] == [("03537", 597.61), ("06851", 452.31)]
    assert [one.persona for one in lost] == ["c2", "c3"]
    assert list(lost_lines(lost))[:2] == [
        "  03537  597.61 dollars in a year, last order 1997-11-07, persona c2",
        "         since 1998-02-11: is in valuable (95d); score buys_again less than 0.2 (0.18, version 7)",
    ]


def test_a_customer_counts_for_the_persona_they_had_last(story: LearningStory) -> None:
    assert story.personas() == {"c2": 1, "c3": 2}


def test_the_versions_it_leaves_are_those_that_segue_models_reads(story: LearningStory, tmp_path: Path) -> None:
    story.write(tmp_path / "models.jsonl")
    entry = book_of_file(tmp_path / "models.jsonl", RULES).one("buys_again")
    assert entry.snapshot is not None
    assert (entry.snapshot.samples, entry.snapshot.created_at, entry.snapshot.learner) == (800, END_MS, {})
    assert len(entry.course) == 8


@pytest.mark.parametrize("terminal", [True, False])
def test_the_screen_shows_what_was_learned_and_who_is_about_to_be_lost(story: LearningStory, terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=140, color_system=None, legacy_windows=False)
    with LearningScreen(story, console) as screen:
        screen.changed(*change("20777"))
        screen.standing(END_MS, 800, screen_sizes())
    said = out.getvalue()
    for words in ("1998-06-30", "800 purchases", "log loss", "warming up: 800 of 60,000 samples", "20777"):
        assert words in said
    assert ("score buys_again less than 0.2 (0.18, version 7) [timer]" in said) or terminal
    screen.changed(*change("20777", "exited"))


def screen_sizes() -> Any:
    """Return sizes of segments, which this screen does not show."""
    return {}


def test_personas_have_their_customers_and_what_is_special_about_them(ruleset: Ruleset) -> None:
    story, model = LearningStory(ruleset), ruleset.models[2]
    centre = {"id": "c1", "share": 0.42, "description": "orders often: 4 against 1; spends much", "typical": ["u1"]}
    young = decode(next(versions(model, 1)))
    story.learned(model.key, encode(msgspec.structs.replace(young, scorer={"kind": "clusters", "clusters": [centre]})))
    story.week(END_MS, 1)
    out = io.StringIO()
    Console(file=out, width=100).print(persona_table(story.entries[2], {"c1": 1234}))
    assert " ".join(out.getvalue().split()).endswith("c1 1,234 42% orders often: 4 against 1 u1 spends much")


def test_the_picture_is_one(story: LearningStory, tmp_path: Path) -> None:
    write_png(story, tmp_path / "picture.png", "a source")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
