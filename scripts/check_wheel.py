"""Check that the wheel holds the three packages and nothing else, and that each module of it can be imported.

Usage: check_wheel.py WHEEL. Exits 1 with what is wrong.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
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


def import_all(wheel: Path) -> int:
    """Import every module from the wheel itself; return how many there are."""
    sys.path[:] = [str(wheel), *(path for path in sys.path if Path(path).resolve() != Path.cwd())]
    with zipfile.ZipFile(wheel) as archive:
        files = [PurePosixPath(name) for name in archive.namelist() if name.endswith(".py")]
    for file in files:
        module = importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
        if not str(module.__file__).startswith(str(wheel)):
            sys.exit(f"{module.__name__} came from {module.__file__}, not from the wheel")
    return len(files)


def main() -> None:
    """Check the wheel named on the command line."""
    wheel = Path(sys.argv[1]).resolve()
    if found := problems(wheel):
        sys.exit("\n".join(found))
    print(f"{wheel.name}: {import_all(wheel)} modules in {', '.join(PACKAGES)}")


if __name__ == "__main__":
    main()
