"""Definitions files → Ruleset, with every error of every file in one run: file, line, path and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from rules.canonical import whole
from rules.crosscheck import cross_check
from rules.errors import DefinitionError, Problem
from rules.messages import explain, explain_nothing
from rules.models.definition import AnyModel
from rules.places import parse_tree
from rules.ruleset import Ruleset, Segment, Segmentation
from rules.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.places import Parsed

SUFFIXES: Final = (".yaml", ".yml", ".json")
SECTIONS: Final[dict[str, TypeAdapter[Any]]] = {
    "segments": TypeAdapter(Segment),
    "segmentations": TypeAdapter(Segmentation),
    "models": TypeAdapter(AnyModel),
}


KNOWN: Final = tuple(SECTIONS)


def load_ruleset(path: str | Path) -> Ruleset:
    """Return the ruleset of a file, or of all `.yaml`, `.yml` and `.json` files of a folder, in their names' order.

    Raises DefinitionError with every problem found, each with file, line, path and remedy.
    """
    loader = _Loader()
    for file in _files(Path(path)):
        loader.read(file)
    return loader.finish()


def load_text(text: str, name: str = "definitions", *, json: bool = False) -> Ruleset:
    """Return the ruleset of one text; `name` stands for the file in errors. Raises DefinitionError."""
    loader = _Loader()
    loader.read_text(name, text, json=json)
    return loader.finish()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SUFFIXES
            and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        if files:
            return files
        raise DefinitionError(
            [Problem(str(path), 1, "", f"holds no definitions; add a file that ends in {', '.join(SUFFIXES)}")]
        )
    if not path.is_file():
        raise DefinitionError([Problem(str(path), 1, "", "is not there; name a definitions file, or a folder of them")])
    return [path]


class Section:
    """The definitions of one kind from all files: the raw trees, the valid ones, and where each stands."""

    def __init__(self) -> None:
        """Begin empty."""
        self.raw: list[Any] = []
        self.valid: dict[int, Any] = {}
        self.places: list[tuple[str, int, Parsed]] = []


class _Loader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.sections = {name: Section() for name in SECTIONS}
        self.given: set[str] = set()
        self.files: list[str] = []

    def read(self, file: Path) -> None:
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            self.problems.append(Problem(str(file), line, "", f"is not UTF-8 (byte {error.start}); save it as UTF-8"))
        except OSError as error:
            self.problems.append(Problem(str(file), 1, "", f"cannot be read: {error.strerror}"))
        else:
            self.read_text(str(file), text, json=file.suffix.lower() == ".json")

    def read_text(self, file: str, text: str, *, json: bool) -> None:
        self.files.append(file)
        parsed = parse_tree(text, json=json)
        for fault in parsed.faults:
            self.problems.append(Problem(file, fault.line, written(fault.path), fault.message))
        if isinstance(parsed.tree, dict):
            for key, value in parsed.tree.items():
                self._section(file, key, value, parsed)
        elif parsed.tree is not None:
            self.problems.append(
                Problem(file, 1, "", "is no mapping; begin with segments:, then - key: on the next line")
            )

    def _section(self, file: str, key: str, value: Any, parsed: Parsed) -> None:
        line = parsed.lines[(key,)]
        if key not in SECTIONS:
            near = nearest(key, list(SECTIONS))
            remedy = f"did you mean {near}?" if near else f"known are {', '.join(KNOWN[:-1])} and {KNOWN[-1]}"
            self.problems.append(Problem(file, line, key, f"is unknown; {remedy}"))
        elif value is not None and not isinstance(value, list):
            self.problems.append(Problem(file, line, key, "is no list; begin each definition with - key:"))
        else:
            section = self.sections[key]
            self.given.add(key)
            for index, item in enumerate(value or []):
                section.places.append((file, index, parsed))
                section.raw.append(item)

    def finish(self) -> Ruleset:
        for name in SECTIONS:
            for index, raw in enumerate(self.sections[name].raw):
                self.problems += self._validate(name, index, raw)
        problems, warnings = cross_check(self.sections, self.place)
        self.problems += problems
        if self.problems:
            raise DefinitionError(
                sorted(set(self.problems), key=lambda one: (one.file, one.line, one.path, one.message))
            )
        if not self.sections["segments"].raw and not self.sections["models"].raw:
            warnings.append(Problem(self.files[0], 1, "", "warning: no segments are defined; begin with segments:"))
        tree = {name: section.raw for name, section in self.sections.items() if name in self.given}
        return Ruleset.of(tree).with_warnings(tuple(warnings))

    def place(self, section: str, index: int, path: Sequence[str | int], message: str) -> Problem:
        """Return the problem at a path within one definition, at the line of the deepest part that is there."""
        file, local, parsed = self.sections[section].places[index]
        full: tuple[str | int, ...] = (section, local, *path)
        at = full
        while at not in parsed.lines:
            at = at[:-1]
        return Problem(file, parsed.lines[at], written(full), message)

    def _validate(self, name: str, index: int, raw: Any) -> Iterator[Problem]:
        """Validate one definition, and yield what is wrong with it; what its text's faults cover is said already."""
        section = self.sections[name]
        _, local, parsed = section.places[index]
        covered = [fault.path[2:] for fault in parsed.faults if fault.covers and fault.path[:2] == (name, local)]
        wrong: dict[tuple[str | int, ...], str] = {}
        try:
            valid = SECTIONS[name].validate_python(whole(raw))
        except ValidationError as error:
            wrong = dict(explain(name, raw, error))
        else:
            section.valid[index] = valid
        for path, message in explain_nothing(name, raw):
            if not any(other[: len(path)] == path for other in wrong):
                wrong[path] = message
        for path, message in wrong.items():
            if not any(path[: len(cover)] == cover for cover in covered):
                yield self.place(name, index, path, message)


def written(path: Sequence[str | int]) -> str:
    """Return a path as a person writes it: `segments[0].when.all[1].did`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
