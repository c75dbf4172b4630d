"""All benchmarks of what segue does in a stream, one after the other.

    python -m benchmarks [--broker kafka|embedded] [--only NAME]

Each is a program of its own (`python -m benchmarks.NAME`), with more options than these two.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys

PARTS = ("throughput", "latency", "scale", "view")


def main() -> int:
    """Run the parts asked for; 1 if one of them failed, which does not keep the others from running."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="All benchmarks of what segue does in a stream."
    )
    parser.add_argument("--broker", choices=("kafka", "embedded"), help="else each part's own default")
    parser.add_argument("--only", choices=PARTS, action="append", help="may be given more than once")
    given = parser.parse_args()
    failed = []
    for name in given.only or PARTS:
        print(f"\n{name}", flush=True)
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            print(f"there is no benchmarks/{name}.py", file=sys.stderr)
            failed.append(name)
            continue
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        if given.broker is not None:
            command += ["--broker", given.broker]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nnot done: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
