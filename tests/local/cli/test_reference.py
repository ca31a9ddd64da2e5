"""Reference files hold what events refer to, the same in both formats."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from local.cli import main

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {"WORLD_STORES": 3, "WORLD_DISTRIBUTION_CENTERS": 2, "WORLD_PRODUCTS": 100, "WORLD_CUSTOMERS": 150}


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "local.settings.json"
    path.write_text(json.dumps({"Values": SIZES}))
    return path


def _export(out: Path, settings: Path, *more: str) -> dict[str, list[dict[str, Any]]]:
    assert main(["reference", "--out", str(out), "--settings", str(settings), *more]) == 0
    return {
        path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in sorted(out.glob("*.jsonl"))
    }


def test_every_row_is_there_in_both_formats(tmp_path: Path, settings: Path) -> None:
    tables = _export(tmp_path / "out", settings)
    assert {name: len(rows) for name, rows in tables.items()} == {
        "customers": 150,
        "distribution-centers": 2,
        "products": 100,
        "stores": 3,
    }
    for name, rows in tables.items():
        with (tmp_path / "out" / f"{name}.csv").open(newline="") as file:
            assert list(csv.DictReader(file)) == [{key: str(value) for key, value in row.items()} for row in rows]


def test_ids_join(tmp_path: Path, settings: Path) -> None:
    tables = _export(tmp_path / "out", settings)
    centers = {row["dc_id"] for row in tables["distribution-centers"]}
    stores = {row["store_id"] for row in tables["stores"]}
    assert {row["dc_id"] for row in tables["stores"]} <= centers
    assert {row["home_store_id"] for row in tables["customers"]} <= stores


def test_a_seed_makes_its_own_world_and_the_same_one_again(tmp_path: Path, settings: Path) -> None:
    default = _export(tmp_path / "default", settings)
    seven = _export(tmp_path / "seven", settings, "--seed", "7")
    assert seven != default
    assert seven == _export(tmp_path / "again", settings, "--seed", "7")


def test_sizes_that_make_no_world_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text(json.dumps({"Values": {**SIZES, "WORLD_STORES": "many"}}))
    assert main(["reference", "--out", str(tmp_path / "out"), "--settings", str(path)]) == 2
    assert "WORLD_STORES" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path: Path, settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["reference", "--out", str(tmp_path / "file"), "--settings", str(settings)]) == 2
    assert "--out DIR" in capsys.readouterr().err
