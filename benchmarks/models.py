"""The online models beside their peers: quality on CDNOW, drift, clusters and anomalies.

    python -m benchmarks.models [--only labels|drift|clusters]

README.md says what each figure means.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from benchmarks import models_clusters, models_drift, models_labels

PARTS: Final = {
    "labels": ("Propensity and expected spend on CDNOW", models_labels.main),
    "drift": ("Drift on drawn labels", models_drift.main),
    "clusters": ("Clusters and anomalies", models_clusters.main),
}


def main() -> int:
    """Run the parts asked for; 1 if a figure is not as wanted."""
    parser = argparse.ArgumentParser(description="Quality of the online models, peers beside them.")
    parser.add_argument("--only", choices=tuple(PARTS), action="append", help="may be given more than once")
    wrong = 0
    for name in parser.parse_args().only or PARTS:
        title, run = PARTS[name]
        print(f"\n{title}", flush=True)
        wrong |= run()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
