"""`segue init`: a folder of definitions to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from rules.errors import SegueError
from rules.packs import PACKS, pack_purpose, pack_text
from streams.cli.frame import say
from streams.cli.schema import schema_text

SCHEMA_FILE: Final = ".segue.schema.json"
"""With a dot in front, so that it is not read as definitions."""

HEAD: Final = """\
# yaml-language-server: $schema={schema}
#
# A start, written by `segue init`; from here on it is yours. Change names, durations and amounts to fit, and remove
# what you have no events for. `segue check` says what is wrong, and what each segment costs.
#
"""


def _known_packs(names: list[str] | None) -> list[str]:
    for name in names or []:
        if name not in PACKS:
            message = f"{name!r} is none; there are {', '.join(PACKS)}"
            raise typer.BadParameter(message)
    return list(dict.fromkeys(names or PACKS))


FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where; it is made if need be.")]
PackOption = Annotated[
    list[str] | None,
    typer.Option(
        "--pack",
        metavar="NAME",
        callback=_known_packs,
        help=f"Only this one; give it more than once for more: {', '.join(PACKS)}.",
        show_default="all",
    ),
]


def init(folder: FolderArgument = Path("segments"), pack: PackOption = None) -> None:
    """Write a folder of definitions to start from, one file a pack.

    Each file says at its top for whom it is and which events it expects. A schema for editors comes along. Where one of
    the files is there already, nothing is written at all.
    """
    texts = {folder / f"{name}.yaml": HEAD.format(schema=SCHEMA_FILE) + pack_text(name) for name in pack or PACKS}
    there = [str(file) for file in texts if file.exists()]
    if there:
        message = f"{', '.join(there)}: there already, and not written over; choose another folder, or move them away"
        raise SegueError(message)
    if not (folder / SCHEMA_FILE).exists():
        texts[folder / SCHEMA_FILE] = schema_text() + "\n"
    _write(folder, texts)
    for name in pack or PACKS:
        say(f"{folder / f'{name}.yaml'}: {pack_purpose(name)}")
    say(f"\nNow read them, then: segue check {folder}")


def _write(folder: Path, texts: dict[Path, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{error.filename}: cannot be written: {error.strerror}; choose another folder"
        raise SegueError(message) from None
