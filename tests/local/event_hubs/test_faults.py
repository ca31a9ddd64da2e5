"""Faults: exactly as often, as long and where they were asked for."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.event_hubs.faults import ON_MESSAGE, Fault, FaultKind, Faults, fault_from_json, fault_to_json


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def _faults(clock: Clock | None = None, seed: int = 1) -> Faults:
    return Faults(now=clock or Clock(), dice=Random(seed))  # noqa: S311  dice of tests


def _struck(faults: Faults, times: int, **place: str) -> list[FaultKind | None]:
    strikes = [faults.strike(ON_MESSAGE, **place) for _ in range(times)]
    return [None if fault is None else fault.kind for fault in strikes]


@given(st.integers(1, 20))
def test_a_count_is_exact(count: int) -> None:
    faults = _faults()
    faults.add(Fault(kind=FaultKind.SERVER_BUSY, count=count))
    assert _struck(faults, count + 5) == [FaultKind.SERVER_BUSY] * count + [None] * 5
    assert faults.in_force() == ()


def test_the_first_that_was_added_wins_and_the_next_follows() -> None:
    faults = _faults()
    faults.add(Fault(kind=FaultKind.REJECT, count=1))
    faults.add(Fault(kind=FaultKind.DETACH, count=1))
    assert _struck(faults, 3) == [FaultKind.REJECT, FaultKind.DETACH, None]


def test_a_fault_strikes_only_its_hub_and_partition_and_kind() -> None:
    faults = _faults()
    faults.add(Fault(kind=FaultKind.REJECT, hub="a", partition="1"))
    assert _struck(faults, 1, hub="b", partition="1") == [None]
    assert _struck(faults, 1, hub="a", partition="2") == [None]
    assert _struck(faults, 1, hub="a") == [None]
    assert _struck(faults, 1, hub="a", partition="1") == [FaultKind.REJECT]
    assert faults.strike(frozenset({FaultKind.UNKNOWN_HUB}), hub="a", partition="1") is None


def test_a_fault_ends_by_itself_after_its_seconds() -> None:
    clock = Clock()
    faults = _faults(clock)
    faults.add(Fault(kind=FaultKind.REJECT, seconds=5))
    assert faults.seconds_left(FaultKind.REJECT) == 5
    clock.seconds += 4.9
    assert _struck(faults, 1) == [FaultKind.REJECT]
    clock.seconds += 0.1
    assert _struck(faults, 1) == [None]
    assert faults.seconds_left(FaultKind.REJECT) == 0
    faults.add(Fault(kind=FaultKind.REJECT))
    assert faults.seconds_left(FaultKind.REJECT) is None


def test_dice_fall_the_same_for_the_same_seed() -> None:
    def strikes(seed: int) -> list[FaultKind | None]:
        faults = _faults(seed=seed)
        faults.add(Fault(kind=FaultKind.REJECT, probability=0.5))
        return _struck(faults, 100)

    assert strikes(1) == strikes(1) != strikes(2)
    assert 20 < strikes(1).count(FaultKind.REJECT) < 80


def test_faults_are_cleared_one_by_one_or_all_and_changes_are_told() -> None:
    told: list[int] = []
    faults = Faults(now=Clock(), dice=Random(1), changed=lambda: told.append(1))  # noqa: S311  dice of tests
    first = faults.add(Fault(kind=FaultKind.REJECT))
    faults.add(Fault(kind=FaultKind.DETACH))
    faults.add(Fault(kind=FaultKind.DELAY))
    assert faults.clear(first.id) == 1
    assert faults.clear(first.id) == 0
    assert faults.clear() == 2
    assert len(told) == 6


def test_a_fault_and_its_json_are_one() -> None:
    clock = Clock()
    faults = _faults(clock)
    fault = fault_from_json({"kind": "reject", "count": 3, "condition": "a:b", "seconds": 60, "probability": 1})
    assert fault == Fault(kind=FaultKind.REJECT, count=3, condition="a:b", seconds=60)
    document = dict(fault_to_json(faults.add(fault), clock.seconds + 10))
    assert (document.pop("id"), document.pop("struck"), document.pop("seconds_left")) == (1, 0, 50)
    assert fault_from_json(document) == fault


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({}, "kind must be one of server-busy"),
        ({"kind": "explode"}, "kind must be one of"),
        ({"kind": ["reject"]}, "kind must be one of"),
        ({"kind": "reject", "often": 1}, "has no often"),
        ({"kind": "reject", "count": 0}, "count must be at least 1"),
        ({"kind": "reject", "count": True}, "count can't be True"),
        ({"kind": "reject", "count": 1.5}, "count can't be 1.5"),
        ({"kind": "reject", "probability": 0}, "above 0 and at most 1"),
        ({"kind": "reject", "seconds": 0}, "seconds must be above 0"),
        ({"kind": "reject", "hub": 5}, "hub can't be 5"),
        ({"kind": "delay", "milliseconds": -1}, "must not be negative"),
        ({"kind": "silent", "hub": "a"}, "before a hub or a partition is known"),
        ({"kind": "refuse-connections", "count": 1}, "neither count nor probability"),
        ([], "a fault is an object"),
        ("reject", "a fault is an object"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(document: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        fault_from_json(document)
