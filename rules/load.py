"""Definitions files → Ruleset, with every error of every file in one run: file, line, path and remedy."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from rules.crosscheck import cross_check
from rules.errors import DefinitionError, Problem
from rules.places import Fault, parse_tree
from rules.ruleset import Ruleset, Segment, Segmentation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rules import places

SUFFIXES: Final = (".yaml", ".yml", ".json")
SECTIONS: Final[dict[str, TypeAdapter[Any]]] = {
    "segments": TypeAdapter(Segment),
    "segmentations": TypeAdapter(Segmentation),
}


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
            if file.suffix in SUFFIXES
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
        self.places: list[tuple[str, int, dict[places.Path, int]]] = []


class _Loader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.sections = {name: Section() for name in SECTIONS}
        self.given: set[str] = set()

    def read(self, file: Path) -> None:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            self.problems.append(Problem(str(file), 1, "", f"is not UTF-8 (byte {error.start}); save it as UTF-8"))
            return
        except OSError as error:
            self.problems.append(Problem(str(file), 1, "", f"cannot be read: {error.strerror}"))
            return
        self.read_text(str(file), text, json=file.suffix == ".json")

    def read_text(self, file: str, text: str, *, json: bool) -> None:
        try:
            tree, lines = parse_tree(text, json=json)
        except Fault as fault:
            self.problems.append(Problem(file, fault.line, "", fault.message))
            return
        if tree is None:
            return
        if not isinstance(tree, dict):
            self.problems.append(Problem(file, 1, "", "is no mapping; begin with segments:"))
            return
        for key, value in tree.items():
            self._section(file, key, value, lines)

    def _section(self, file: str, key: str, value: Any, lines: dict[places.Path, int]) -> None:
        line = lines[(key,)]
        if key not in SECTIONS:
            near = difflib.get_close_matches(key, SECTIONS, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"known are {' and '.join(SECTIONS)}"
            self.problems.append(Problem(file, line, key, f"is unknown; {remedy}"))
        elif value is not None and not isinstance(value, list):
            self.problems.append(Problem(file, line, key, "is no list; begin each definition with - key:"))
        else:
            section = self.sections[key]
            self.given.add(key)
            for index, item in enumerate(value or []):
                section.places.append((file, index, lines))
                section.raw.append(item)

    def finish(self) -> Ruleset:
        for name, adapter in SECTIONS.items():
            for index, raw in enumerate(self.sections[name].raw):
                try:
                    self.sections[name].valid[index] = adapter.validate_python(raw)
                except ValidationError as error:
                    self.problems += self._explain(name, index, raw, error)
        problems, warnings = cross_check(self.sections["segments"], self.sections["segmentations"], self.place)
        self.problems += problems
        if self.problems:
            raise DefinitionError(sorted(set(self.problems), key=lambda problem: (problem.file, problem.line)))
        tree = {name: section.raw for name, section in self.sections.items() if name in self.given}
        return Ruleset.of(tree).with_warnings(tuple(warnings))

    def place(self, section: str, index: int, path: Sequence[str | int], message: str) -> Problem:
        """Return the problem at a path within one definition, at the line of the deepest part that is there."""
        file, local, lines = self.sections[section].places[index]
        full: tuple[str | int, ...] = (section, local, *path)
        at = full
        while at not in lines:
            at = at[:-1]
        return Problem(file, lines[at], written(full), message)

    def _explain(self, section: str, index: int, raw: Any, error: ValidationError) -> Iterable[Problem]:
        found: dict[tuple[str | int, ...], list[Any]] = {}
        for detail in error.errors(include_url=False):
            found.setdefault(_path_in(raw, detail["loc"], detail["type"]), []).append(detail)
        for path, details in found.items():
            yield self.place(section, index, path, _message(details))


def written(path: Sequence[str | int]) -> str:
    """Return a path as a person writes it: `segments[0].when.all[1].did`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _path_in(tree: Any, loc: Sequence[str | int], kind: str) -> tuple[str | int, ...]:
    """Return the part of an error's location that is in the tree: union tags and type names are not."""
    path: list[str | int] = []
    for step in loc:
        if isinstance(step, int):
            tree = tree[step] if isinstance(tree, list) else tree
        elif isinstance(tree, dict) and step in tree:
            tree = tree[step]
        elif kind == "missing" and step == loc[-1]:
            pass
        else:
            continue
        path.append(step)
    return tuple(path)


_EXPECTED: Final = {
    "int_type": "a number",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _message(details: list[Any]) -> str:
    """Return one message for the errors at one place (a union gives one for each of its kinds)."""
    kinds = {detail["type"]: detail for detail in details}
    for kind in ("value_error", "missing", "extra_forbidden", "string_pattern_mismatch"):
        if kind in kinds:
            return _one_message(kind, kinds[kind])
    expected = list(dict.fromkeys(_EXPECTED[kind] for kind in kinds if kind in _EXPECTED))
    if len(expected) == len({_EXPECTED.get(kind) for kind in kinds}) and expected:
        return f"{details[0]['input']!r} is not {' or '.join(expected)}"
    detail = next(detail for kind, detail in kinds.items() if kind not in _EXPECTED)
    return f"{detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _one_message(kind: str, detail: Any) -> str:
    match kind:
        case "value_error":
            return str(detail["ctx"]["error"])
        case "missing":
            return "is required; add it"
        case "extra_forbidden":
            return f"is unknown here; {_near(str(detail['loc'][-1]))}"
        case _:
            return f"{detail['input']!r} is no key; write at most 64 lower-case letters, digits and _, a letter first"


def _near(key: str) -> str:
    near = difflib.get_close_matches(key, WORDS, n=1)
    return f"did you mean {near[0]}?" if near else "remove it, or see the reference of what stands there"


WORDS: Final = tuple(
    "key name description when until min_stay tags segments otherwise event where times within of agg steps after but "
    "wait at_least model is salt eq ne gt gte lt lte between in not_in contains not_contains starts_with ends_with "
    "matches exists within_last older_than before".split()
)
