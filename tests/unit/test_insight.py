"""`segue models` and `segue model` on versions that real trainers made of made-up samples."""

from __future__ import annotations

import json
import random
import re
import struct
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from typer.testing import CliRunner

from rules.load import load_text
from state.models.sample import Sample
from state.models.snapshot import Snapshot, encode
from state.models.trainer import Trainer
from streams.cli import main
from streams.insight.book import Book
from streams.insight.calibration import bins_of, calibration_chart
from streams.insight.measures import sides_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

    from rules.models.definition import AnyModel
    from rules.ruleset import Ruleset

DAY_MS = 86_400_000
RULES: dict[str, Any] = {
    "models": [
        {
            "key": "buys_again", "name": "Buys again", "kind": "propensity", "warm_up": 100,
            "target": {"event": "Order Completed", "within": "30d"}, "sample": {"every": "7d"},
            "features": {
                "orders": {"did": {"event": "Order Completed", "within": "90d"}, "transform": "log1p"},
                "quiet": {"since_last": {"event": "*"}, "missing": 365},
            },
        },
        {
            "key": "spends", "kind": "value", "warm_up": 100,
            "target": {"event": "Order Completed", "of": "total", "within": "30d"}, "sample": {"every": "7d"},
            "features": {"orders": {"did": {"event": "Order Completed", "within": "90d"}}},
        },
        {
            "key": "personas", "kind": "clusters", "k": 2, "warm_up": 100, "sample": {"every": "7d"},
            "labels": {"c1": "Bargain [hunters]"},
            "features": {
                "orders": {"did": {"event": "Order Completed", "within": "90d"}},
                "spent": {"total": {"event": "Order Completed", "of": "total", "agg": "sum", "within": "90d"}},
            },
        },
        {
            "key": "odd", "kind": "anomaly", "warm_up": 100, "sample": {"every": "7d"},
            "features": {"orders": {"did": {"event": "Order Completed", "within": "90d"}}},
        },
    ]
}  # fmt: skip


def ruleset(tree: dict[str, Any] = RULES) -> Ruleset:
    return load_text(json.dumps(tree), json=True)


def samples(model: AnyModel, count: int) -> Iterator[Sample]:
    """Yield samples of which the first feature tells; every fourth was taken at an event."""
    drawn = random.Random(5)
    for number in range(count):
        level = drawn.random()
        x = [level * 5, *(drawn.random() * 10 for _ in model.feature_names[1:])]
        came = float(drawn.random() < level)
        score: float | str = f"c{1 + (level > 0.5)}" if model.kind == "clusters" else round(level, 6)
        at = 1_800_000_000_000 + number * 3_600_000
        yield Sample(
            model=model.key,
            definition=model.definition,
            customer=f"u{number % 97}",
            at=at,
            released_at=at + 30 * DAY_MS,
            why="timer" if number % 4 else "event",
            x=tuple(x),
            y={"propensity": came, "value": came * 40}.get(model.kind),
            score=score if number > 100 else None,
            version=1 if number > 100 else None,
        )


def versions(model: AnyModel, count: int, every: int = 100) -> Iterator[Snapshot]:
    trainer = Trainer(model, snapshot_every=every)
    for number, sample in enumerate(samples(model, count)):
        trainer.learn(sample, source=(0, number, 0), offset=number)
        if trainer.due or number == count - 1:
            yield trainer.snapshot(sample.released_at)


@pytest.fixture(scope="module")
def learned() -> list[Snapshot]:
    return [snapshot for model in ruleset().models for snapshot in versions(model, 800)]


@pytest.fixture
def files(tmp_path: Path, learned: list[Snapshot]) -> tuple[Path, Path]:
    """Return a file of versions and its rules."""
    return written(tmp_path, learned), rules_file(tmp_path)


def written(folder: Path, snapshots: list[Snapshot]) -> Path:
    path = folder / "models.jsonl"
    path.write_bytes(b"".join(encode(snapshot) + b"\n" for snapshot in snapshots))
    return path


def rules_file(folder: Path, tree: dict[str, Any] = RULES) -> Path:
    path = folder / "rules.json"
    path.write_text(json.dumps(tree))
    return path


def segue(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def table_rows(text: str, first: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip().startswith(first)]


class TestModels:
    def test_each_model_has_its_newest_version_and_quality_beside_doing_without(self, files: tuple[Path, Path]) -> None:
        file, rules = files
        result = segue("models", "--file", file, "--rules", rules)
        assert result.exit_code == 0, result.output
        lines = [" ".join(line.split()) for line in result.output.splitlines()]
        assert any(re.match(r"buys_again 8 800 174 at events ROC AUC 0\.[78]\d\d 0\.500 none$", line) for line in lines)
        assert any(re.match(r"525 in silence ROC AUC 0\.[78]\d\d 0\.500$", line) for line in lines)
        assert sum(line.startswith("log loss") or " log loss" in line for line in lines) == 2
        assert any(re.match(r"spends 8 800 174 at events RMSE \d+\.\d\d \d+\.\d\d none$", line) for line in lines)
        assert any(re.match(r"clusters silhouette 0\.\d\d$", line) for line in lines)
        assert any(re.match(r"odd 8 800 174 at events above 0\.99 \d+\.\d% 1\.0%", line) for line in lines)
        assert any(re.match(r"personas: of the recent samples, c1 \d+%, c2 \d+%$", line) for line in lines)

    def test_without_rules_the_kinds_are_told_from_the_versions(self, files: tuple[Path, Path]) -> None:
        result = segue("models", "--file", files[0])
        assert [kind for kind in ("propensity", "value", "clusters", "anomaly") if kind not in result.output] == []

    def test_what_warms_up_says_how_far_it_is_and_what_has_no_version_what_it_waits_for(self, tmp_path: Path) -> None:
        models = ruleset().models
        young = [next(versions(models[0], 60, every=60)), next(versions(models[2], 60, every=60))]
        result = segue("models", "--file", written(tmp_path, young), "--rules", rules_file(tmp_path))
        said = " ".join(result.output.split())
        assert "warming up: 60 of 100 samples" in said
        assert "warming up: 60 of 100 samples, or of 90d" in said
        assert "warming up: 0 of 100 samples" in said
        assert "spends: no version yet; a sample is learned when its label is known, 30d after it" in said
        assert "odd: no version yet; a sample is learned at once" in said

    def test_a_version_of_an_edited_model_is_told_as_one(self, tmp_path: Path, learned: list[Snapshot]) -> None:
        edited = json.loads(json.dumps(RULES))
        edited["models"][0]["features"].pop("quiet")
        rules = rules_file(tmp_path, edited)
        result = segue("models", "--file", written(tmp_path, learned), "--rules", rules)
        assert "buys_again: this version is of an older definition" in result.output
        assert result.output.count("older definition") == 1
        page = segue("model", "buys_again", "--file", tmp_path / "models.jsonl", "--rules", rules)
        assert page.exit_code == 0, page.output
        assert "of an older definition" in page.output

    def test_problems_stand_below(self, tmp_path: Path, learned: list[Snapshot]) -> None:
        bad = msgspec.structs.replace(learned[0], metrics={**learned[0].metrics, "problems": ["all labels are 0"]})
        result = segue("models", "--file", written(tmp_path, [bad]))
        assert "buys_again: all labels are 0" in result.output


class TestModel:
    def test_a_propensity_has_weights_in_words_and_its_calibration(self, files: tuple[Path, Path]) -> None:
        result = segue("model", "buys_again", "--file", files[0], "--rules", files[1])
        assert result.exit_code == 0, result.output
        assert "buys_again: Buys again" in result.output
        row = table_rows(result.output, "orders ")[0]
        assert re.match(r"orders \+\d\.\d\d ▇{12} orders often: odds × \d\.\d\d at \d", row)
        assert "100%┤" in result.output
        assert "○ at events   ● in silence" in result.output
        assert len(re.findall(r"came true +(?:\d+% *){5,10}$", result.output, re.MULTILINE)) == 2
        assert "Drift: none noticed" in result.output

    def test_a_value_has_weights_as_amounts(self, files: tuple[Path, Path]) -> None:
        result = segue("model", "spends", "--file", files[0], "--rules", files[1])
        assert re.search(r"orders +\+\d+\.\d\d +▇+ +orders often: \+\d+\.\d\d at", result.output)
        assert "┤" not in result.output

    def test_clusters_have_sizes_descriptions_and_customers(self, files: tuple[Path, Path]) -> None:
        result = segue("model", "personas", "--file", files[0], "--rules", files[1])
        assert result.exit_code == 0, result.output
        assert "Bargain [hunters]" in result.output
        assert re.search(r"c1 +\d\d\.\d%  .* against ", result.output)
        assert len(set(re.findall(r"\bu\d\d?\b", result.output))) >= 4
        assert re.search(r"^ orders +\d\S* +\d\S* +\d", result.output, re.MULTILINE)
        assert "of customers change their cluster" in result.output

    def test_an_anomaly_has_the_shares_that_its_scores_are_to_have(self, files: tuple[Path, Path]) -> None:
        result = segue("model", "odd", "--file", files[0], "--rules", files[1])
        assert "Features: orders" in result.output
        assert "Drift" not in result.output

    @pytest.mark.parametrize("key", ["buys_again", "spends", "personas", "odd"])
    def test_the_picture_is_one(self, key: str, files: tuple[Path, Path], tmp_path: Path) -> None:
        picture = tmp_path / "model.png"
        result = segue("model", key, "--file", files[0], "--rules", files[1], "--png", picture)
        assert result.exit_code == 0, result.output
        data = picture.read_bytes()
        assert data.startswith(b"\x89PNG")
        assert struct.unpack(">II", data[16:24])[0] == 1170

    def test_a_picture_that_cannot_be_written_is_an_error_with_its_place(self, files: tuple[Path, Path]) -> None:
        result = segue("model", "odd", "--file", files[0], "--png", files[0].parent / "none" / "model.png")
        assert result.exit_code == 1
        assert "model.png: the picture cannot be written: No such file" in result.stderr

    def test_a_model_that_is_not_there_is_an_error_that_names_the_one_meant(self, files: tuple[Path, Path]) -> None:
        result = segue("model", "buy_again", "--file", files[0])
        assert result.exit_code == 1
        assert f"buy_again: no such model in {files[0]}; did you mean buys_again?" in result.stderr

    def test_a_model_without_a_version_is_an_error_that_says_what_it_waits_for(self, tmp_path: Path) -> None:
        result = segue("model", "spends", "--file", written(tmp_path, []), "--rules", rules_file(tmp_path))
        assert result.exit_code == 1
        assert "warming up: 0 of 100 samples" in result.stderr
        assert "30d after it" in result.stderr

    def test_a_file_that_is_none_is_an_error_with_its_line(self, tmp_path: Path, learned: list[Snapshot]) -> None:
        file = written(tmp_path, learned[:1])
        file.write_bytes(file.read_bytes() + b'{"model": 5}\n')
        result = segue("model", "buys_again", "--file", file)
        assert result.exit_code == 1
        assert f"{file}:2: is no version of a model; name a file that" in result.stderr


class TestBook:
    def test_an_older_version_does_not_replace_a_newer_one_and_an_empty_record_forgets(
        self, learned: list[Snapshot]
    ) -> None:
        book = Book(ruleset().models, "here")
        first, second = [snapshot for snapshot in learned if snapshot.model == "buys_again"][:2]
        for snapshot in (second, first):
            book.take(snapshot)
        entry = book.one("buys_again")
        assert entry.snapshot == second
        assert [point.samples for point in entry.course] == [second.samples]
        book.forget("buys_again")
        assert [entry.snapshot for entry in book.entries] == [None] * 4

    def test_the_course_has_every_version_that_was_read(self, learned: list[Snapshot]) -> None:
        book = Book(ruleset().models, "here")
        for snapshot in learned:
            book.take(snapshot)
        assert [point.samples for point in book.one("spends").course] == list(range(100, 900, 100))

    def test_a_number_is_green_only_where_it_beats_doing_without(self, learned: list[Snapshot]) -> None:
        book = Book(ruleset().models, "here")
        for snapshot in learned:
            book.take(snapshot)
        entry = book.one("buys_again")
        found = {measure.name: measure.better for side in sides_of(entry) for measure in side.measures}
        assert (found["ROC AUC"], found["log loss"], found["Brier score"], found["mean score"]) == (
            True, True, None, None,
        )  # fmt: skip
        numbers = entry.recent("timer")
        worse = {**numbers, "log_loss": numbers["base_log_loss"] + 0.01}
        metrics = {"quality": {"timer": {"recent": worse}}}
        entry.snapshot = msgspec.structs.replace(learned[0], metrics=metrics)
        assert [one.better for side in sides_of(entry) for one in side.measures if one.name == "log loss"] == [False]

    @pytest.mark.parametrize("colour", [True, False])
    def test_the_chart_fits_and_has_a_mark_for_each_bin(self, learned: list[Snapshot], colour: bool) -> None:
        book = Book(ruleset().models, "here")
        for snapshot in learned:
            book.take(snapshot)
        entry = book.one("buys_again")
        text = calibration_chart(entry, 60, colour=colour)
        assert ("\x1b" in text) is colour
        if not colour:
            assert max(map(len, text.splitlines())) == 60
            assert text.count("●") == 1 + sum(one.labels >= 20 for one in bins_of(entry, "timer"))
