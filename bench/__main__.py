"""``python -m bench [NAME …]``: run the benchmarks, print a table, and write ``bench/results/latest.json``.

Each benchmark is a module of this package whose ``main()`` returns ratios by name. What is measured stands beside its
yardstick in the same run; nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import orjson

BENCHMARKS = (
    *("generation", "encoding", "live", "outbox", "cost", "pacing", "steady", "cold_start", "dead_letters"),
    *("dashboard", "shards", "scale"),
)
PACKAGES = ("azure-eventhub", "azure-data-tables", "azure-functions", "orjson", "pydantic")
FOLDER = Path(__file__).parent
LATEST = FOLDER / "results" / "latest.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)} (default: all)")
    names = parser.parse_args().names or BENCHMARKS
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark named {', '.join(unknown)}")
    ratios: dict[str, float] = {}
    for name in names:
        print(f"\n{name}", flush=True)
        ratios |= importlib.import_module(f"bench.{name}").main()
    previous = orjson.loads(LATEST.read_bytes())["ratios"] if LATEST.exists() and len(names) < len(BENCHMARKS) else {}
    LATEST.parent.mkdir(exist_ok=True)
    document = {"ratios": previous | ratios, **surroundings()}
    LATEST.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    print()
    for name, value in sorted(ratios.items()):
        print(f"{name:<40} {value:>12.4f}")
    print(f"\nwritten to {LATEST.relative_to(Path.cwd()) if LATEST.is_relative_to(Path.cwd()) else LATEST}")


def surroundings() -> dict[str, object]:
    """The machine, the versions and the commit: what a number means little without."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - git of the machine
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": commit or None,
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "load_1m": os.getloadavg()[0]},
        "versions": {"python": sys.version.split()[0], **{name: version(name) for name in PACKAGES}},
    }


if __name__ == "__main__":
    main()
