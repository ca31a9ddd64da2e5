"""Write the world's reference data to files, so that consumers can join it: the bytes that the API serves by page."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import orjson

from local.errors import LocalError
from shared.settings import read_settings
from streaming.retail.reference import TABLES
from streaming.retail.world import World, WorldSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def export(folder: Path, *, environment: Mapping[str, str], seed: int | None, say: Callable[[str], None]) -> None:
    """Write two files a table into ``folder``, for the world that ``environment`` describes (``WORLD_...``).

    ``seed`` is that of a stream which was started with its own; None is the setting's. Raises LocalError.
    """
    settings = read_settings(environment)
    wrong = [problem for problem in settings.problems if problem.setting.startswith("WORLD_")]
    if wrong:
        raise LocalError(" ".join(f"{problem.setting} {problem.message}" for problem in wrong))
    size = settings.world
    try:
        world = World.build(
            WorldSpec(
                seed=size.seed if seed is None else seed,
                stores=size.stores,
                distribution_centers=size.distribution_centers,
                products=size.products,
                customers=size.customers,
            )
        )
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in TABLES.items():
            with (
                (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as table_file,
                (folder / f"{name}.jsonl").open("wb") as lines_file,
            ):
                rows = csv.DictWriter(table_file, table.columns)
                rows.writeheader()
                for row in table.rows(world, 0, table.count(world)):
                    rows.writerow(row)
                    lines_file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            say(f"{folder / name}.csv, .jsonl: {table.count(world):,} rows")
    except ValueError as problem:
        raise LocalError(f"no world can be made of these settings: {problem}") from problem
    except OSError as problem:
        raise LocalError(
            f"cannot write to {folder} ({problem.strerror}): choose another folder: --out DIR"
        ) from problem
