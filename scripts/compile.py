"""Compile the engine with mypyc: a copy of the packages with extension modules beside the sources that they replace.

The build of a compiled wheel (`scripts/hatch_build.py`) fills a folder so. Whoever puts that in front (PYTHONPATH) runs
the compiled engine, and `segue config` says so. It needs a C compiler and the headers of this Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("rules", "state", "streams")

MODULES = (
    "rules/checks/*.py",
    "rules/dates.py",
    "rules/durations.py",
    "rules/matching.py",
    "rules/membership.py",
    "rules/models/unit.py",
    "rules/paths.py",
    "rules/wording.py",
    "state/codec.py",
    "state/counting.py",
    "state/engine.py",
    "state/event.py",
    "state/features/*.py",
    "state/profile.py",
    "state/shorthand.py",
    "state/traits.py",
    "state/view.py",
    "streams/batch.py",
    "streams/changes.py",
    "streams/clocks.py",
    "streams/decode.py",
    "streams/events.py",
    "streams/pace.py",
    "streams/profiles.py",
    "streams/timestamps.py",
    "streams/weights.py",
)
"""What an event passes between its JSON and its commit. They are compiled as one, and call each other directly."""

# Of its own, since the project's own looks for modules in the project. What is checked is checked by `make lint`.
MYPY = """\
[mypy]
explicit_package_bases = true
mypy_path = .
plugins = pydantic.mypy
follow_untyped_imports = true
ignore_missing_imports = true
"""


# Nobody else defines our functions: the compiler may call them directly, and put small ones where they are called.
FLAGS = ("-fno-semantic-interposition", "-fvisibility=hidden", "-fno-plt")


def sources(folder: Path) -> list[str]:
    """Return the modules to compile, as paths within the folder."""
    found = (path.relative_to(folder) for pattern in MODULES for path in sorted(folder.glob(pattern)))
    return [str(path) for path in found if path.name != "__init__.py"]


def compile_into(folder: Path) -> list[Path]:
    """Fill the folder with the packages, and compile; return the extension modules, as paths within the folder.

    Exits with what is missing where there is no compiler, and with all that mypyc said where it fails.
    """
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(os.environ.get("CC", compiler).split()[0]) is None:
        sys.exit(f"compiling the engine needs a C compiler, and there is no {compiler} on PATH: install gcc, or set CC")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        sys.exit("compiling the engine needs Python's headers (on Debian and Ubuntu: apt install python3-dev)")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    leave = shutil.ignore_patterns("__pycache__", "*.so")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=leave)
    (folder / "mypy.ini").write_text(MYPY)
    # In a process of its own: mypy and setuptools look at the folder they are started in.
    command = [sys.executable, str(Path(__file__).resolve())]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nmypyc could not compile the engine")
    (folder / "mypy.ini").unlink()
    for rest in ("build", ".mypy_cache"):
        shutil.rmtree(folder / rest, ignore_errors=True)
    return sorted(path.relative_to(folder) for path in folder.rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"))


def main() -> None:
    """Compile in the current folder."""
    from mypyc.build import mypycify  # noqa: PLC0415 - whoever only asks what is compiled may have no mypy
    from setuptools import setup  # noqa: PLC0415

    options = ["--config-file", "mypy.ini", *sources(Path())]
    modules = mypycify(options, opt_level="3", debug_level="0", group_name="segue")
    for module in modules:
        module.extra_compile_args.extend(FLAGS)
    setup(name="segue", packages=[], ext_modules=modules, script_args=["--quiet", "build_ext", "--inplace"])


if __name__ == "__main__":
    main()
