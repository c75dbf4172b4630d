"""Check that the wheel holds the three packages and nothing else, and that each of its modules can be imported.

Usage: check_wheel.py WHEEL. Exits 1 with what is wrong.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path, PurePosixPath

PACKAGES = ("rules", "state", "streams")


def problems(wheel: Path) -> list[str]:
    """Return what the wheel has too much or too little of, compared with the files that git tracks."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not PurePosixPath(name).parts[0].endswith(".dist-info")}
    git = ["git", "ls-files", *PACKAGES]
    listed = subprocess.run(git, capture_output=True, text=True, check=True)  # noqa: S603 - a constant command
    wanted = set(listed.stdout.splitlines())
    return [f"the wheel lacks {name}" for name in sorted(wanted - names)] + [
        f"the wheel holds {name}, which is not ours to ship" for name in sorted(names - wanted)
    ]


def import_all(folder: Path) -> int:
    """Import every module of the unpacked wheel, and what its command starts; return how many there are."""
    # Neither from the folder we stand in nor from an editable installation of it.
    sys.path[:] = [str(folder), *(path for path in sys.path if Path(path).resolve() != Path.cwd())]
    files = [file.relative_to(folder) for file in folder.rglob("*.py")]
    for file in files:
        module = importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
        if not Path(str(module.__file__)).is_relative_to(folder):
            sys.exit(f"{module.__name__} came from {module.__file__}, not from the wheel")
    for command in metadata.PathDistribution(next(folder.glob("*.dist-info"))).entry_points:
        command.load()
    return len(files)


def main() -> None:
    """Check the wheel named on the command line."""
    wheel = Path(sys.argv[1])
    if found := problems(wheel):
        sys.exit("\n".join(found))
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        print(f"{wheel.name}: {import_all(Path(folder).resolve())} modules in {', '.join(PACKAGES)}")


if __name__ == "__main__":
    main()
