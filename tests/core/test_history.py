"""Rates as a person would work them out from the events' times, and buckets that miss and double nothing."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.core.history import RING_SECONDS, Hour, Slot, add_second, buckets, last_minute_rate

SECOND = 1_000_000
NOW = 1_767_225_600
"""2026-01-01T00:00:00Z, in seconds: the beginning of an hour."""


def sent(count: int) -> Slot:
    return Slot(sent=count)


def test_slots_add_up() -> None:
    assert Slot(1, 2, 3, 4).plus(Slot(10, 20, 30, 40)) == Slot(sent=11, failed=22, batches=33, bytes=44)


class TestRing:
    def test_counts_of_one_second_add_up(self) -> None:
        ring = add_second(add_second({}, NOW, Slot(1, 2, 3, 4)), NOW, Slot(1, 1, 1, 1))
        assert ring == {NOW: Slot(2, 3, 4, 5)}

    def test_a_minute_is_kept_beside_the_second_being_filled(self) -> None:
        ring: dict[int, Slot] = {}
        for second in range(NOW, NOW + 200):
            ring = add_second(ring, second, sent(1))
        assert ring == {second: sent(1) for second in range(NOW + 139, NOW + 200)}

    def test_a_gap_empties_it(self) -> None:
        ring = add_second(add_second({}, NOW, sent(1)), NOW + 61, sent(2))
        assert ring == {NOW + 61: sent(2)}

    def test_it_is_not_changed_in_place(self) -> None:
        ring = {NOW: sent(1)}
        add_second(ring, NOW, sent(1))
        assert ring == {NOW: sent(1)}

    @given(steps=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 100)), max_size=60))
    def test_it_holds_the_last_minute_exactly(self, steps: list[tuple[int, int]]) -> None:
        ring: dict[int, Slot] = {}
        counted: Counter[int] = Counter()
        second = NOW
        for step, count in steps:
            second += step
            ring = add_second(ring, second, sent(count))
            counted[second] += count
        assert len(ring) <= RING_SECONDS + 1
        assert {key: slot.sent for key, slot in ring.items()} == {
            key: count for key, count in counted.items() if key >= second - 60
        }


class Stream:
    """A steady stream as its shard commits it: a window of about a second at a time, once its last burst is settled."""

    def __init__(self, *, interval_us: int, burst: int, start_us: int, latency_us: int) -> None:
        self.ring: dict[int, Slot] = {}
        self.committed_at_us = start_us
        self.start_us = start_us
        self._interval_us = interval_us
        self._burst = burst
        self._latency_us = latency_us
        self._next = 0

    def run_until(self, now_us: int) -> None:
        """Commit every window that has been settled by ``now_us``; keep the heartbeat in between."""
        bursts = max(1, SECOND // self._interval_us)
        while True:
            settled = [
                self.start_us + number * self._interval_us + self._latency_us
                for number in range(self._next, self._next + bursts)
            ]
            heartbeat_us = self.committed_at_us + 4 * SECOND
            if min(settled[-1], heartbeat_us) > now_us:
                return
            if heartbeat_us < settled[-1]:
                self.committed_at_us = heartbeat_us
                continue
            self._next += bursts
            for settled_us in settled:
                self.ring = add_second(self.ring, settled_us // SECOND, sent(self._burst))
            self.committed_at_us = settled[-1]

    def rate(self, now_us: int) -> float:
        self.run_until(now_us)
        return last_minute_rate(self.ring, committed_at_us=self.committed_at_us, since_us=self.start_us, now_us=now_us)


class TestRate:
    @settings(deadline=None, max_examples=60)
    @given(
        interval_ms=st.one_of(st.sampled_from([10, 100, 500, 1_000]), st.integers(10, 1_100)),
        phase_us=st.integers(0, SECOND - 1),
        latency_us=st.integers(0, 40_000),
        after_us=st.integers(62 * SECOND, 75 * SECOND),
    )
    def test_a_steady_stream_shows_its_rate_at_any_phase(
        self, interval_ms: int, phase_us: int, latency_us: int, after_us: int
    ) -> None:
        stream = Stream(
            interval_us=interval_ms * 1_000, burst=100, start_us=NOW * SECOND + phase_us, latency_us=latency_us
        )
        assert stream.rate(stream.start_us + after_us) == pytest.approx(100_000 / interval_ms, rel=0.02)

    @settings(deadline=None, max_examples=40)
    @given(
        interval_seconds=st.sampled_from([1, 2, 3, 4, 5, 6, 10, 15, 20]),
        phase_us=st.integers(0, SECOND - 1),
        after_us=st.integers(65 * SECOND, 200 * SECOND),
    )
    def test_intervals_that_divide_a_minute_are_exact(
        self, interval_seconds: int, phase_us: int, after_us: int
    ) -> None:
        stream = Stream(interval_us=interval_seconds * SECOND, burst=60, start_us=NOW * SECOND + phase_us, latency_us=0)
        assert stream.rate(stream.start_us + after_us) == pytest.approx(60 / interval_seconds)

    @settings(deadline=None, max_examples=60)
    @given(
        interval_ms=st.sampled_from([10, 100, 500]),
        phase_us=st.integers(0, SECOND - 1),
        after_us=st.integers(3_100_000, 60 * SECOND),
    )
    def test_the_first_seconds_show_about_the_rate(self, interval_ms: int, phase_us: int, after_us: int) -> None:
        stream = Stream(interval_us=interval_ms * 1_000, burst=100, start_us=NOW * SECOND + phase_us, latency_us=5_000)
        assert stream.rate(stream.start_us + after_us) == pytest.approx(100_000 / interval_ms, rel=0.05)

    @pytest.mark.parametrize("phase_us", [0, 300_000, 999_999])
    def test_the_first_moments_are_sensible(self, phase_us: int) -> None:
        stream = Stream(interval_us=500_000, burst=100, start_us=NOW * SECOND + phase_us, latency_us=5_000)
        assert stream.rate(stream.start_us) == 0
        for tenth in range(6, 31):
            assert 190 <= stream.rate(stream.start_us + tenth * 100_000) <= 400

    def test_by_hand(self) -> None:
        ring = {NOW - 61: sent(1_000), NOW - 60: sent(60), NOW - 1: sent(120), NOW: sent(9), NOW + 1: sent(9)}
        now_us = NOW * SECOND + 700_000
        assert last_minute_rate(ring, committed_at_us=now_us, since_us=0, now_us=now_us) == 3.0
        since_us = (NOW - 10) * SECOND
        assert last_minute_rate(ring, committed_at_us=now_us, since_us=since_us, now_us=now_us) == 12.0

    def test_the_minute_ends_with_a_recent_commit(self) -> None:
        ring = {second: sent(10) for second in range(NOW - 60, NOW)}
        commit_us = NOW * SECOND
        for late_us in (0, 1 * SECOND, 2_999_999):
            rate = last_minute_rate(ring, committed_at_us=commit_us, since_us=0, now_us=commit_us + late_us)
            assert rate == 10.0

    def test_a_stream_that_has_fallen_silent_falls_to_zero(self) -> None:
        ring = {second: sent(10) for second in range(NOW - 60, NOW)}
        rates = [
            last_minute_rate(ring, committed_at_us=NOW * SECOND, since_us=0, now_us=(NOW + silent) * SECOND)
            for silent in (3, 15, 30, 59, 60, 1_000)
        ]
        assert rates == pytest.approx([9.5, 7.5, 5.0, 10 / 60, 0.0, 0.0])

    def test_an_idle_stream_has_no_rate(self) -> None:
        assert last_minute_rate({}, committed_at_us=0, since_us=0, now_us=NOW * SECOND) == 0

    def test_what_was_sent_before_a_resumption_does_not_count(self) -> None:
        ring = {second: sent(10) for second in range(NOW - 60, NOW + 5)}
        ring |= {NOW + second: sent(0) for second in range(5, 20)}
        now_us = (NOW + 20) * SECOND
        assert last_minute_rate(ring, committed_at_us=now_us, since_us=(NOW + 5) * SECOND, now_us=now_us) == 0

    def test_a_clock_behind_the_start_divides_by_nothing(self) -> None:
        assert last_minute_rate({}, committed_at_us=0, since_us=NOW * SECOND, now_us=0) == 0


class TestHour:
    HOUR = NOW // 3_600

    def test_seconds_of_a_minute_add_up(self) -> None:
        hour = Hour(hour=self.HOUR, minutes={}).add(NOW, sent(1)).add(NOW + 59, sent(2)).add(NOW + 60, sent(4))
        assert hour == Hour(hour=self.HOUR, minutes={0: sent(3), 1: sent(4)})

    def test_the_last_second_belongs_to_its_hour_and_the_next_one_begins_afresh(self) -> None:
        last = Hour(hour=self.HOUR, minutes={0: sent(1)}).add(NOW + 3_599, sent(2))
        assert last == Hour(hour=self.HOUR, minutes={0: sent(1), 59: sent(2)})
        assert last.add(NOW + 3_600, sent(5)) == Hour(hour=self.HOUR + 1, minutes={0: sent(5)})

    def test_it_is_not_changed_in_place(self) -> None:
        hour = Hour(hour=self.HOUR, minutes={0: sent(1)})
        hour.add(NOW, sent(1))
        assert hour.minutes == {0: sent(1)}


class TestBuckets:
    HOUR = NOW // 3_600
    HOURS = (
        Hour(hour=HOUR - 48, minutes={5: sent(1_000)}),
        Hour(hour=HOUR - 1, minutes={58: sent(1), 59: sent(2)}),
        Hour(hour=HOUR, minutes={0: sent(4), 3: Slot(8, 1, 2, 100), 4: sent(16)}),
    )

    def test_minutes_over_the_hours_edge(self) -> None:
        found = buckets(self.HOURS, now_us=(NOW + 200) * SECOND, window_minutes=5, bucket_seconds=60)
        assert found == [
            (NOW - 60, sent(2)),
            (NOW, sent(4)),
            (NOW + 60, Slot()),
            (NOW + 120, Slot()),
            (NOW + 180, Slot(8, 1, 2, 100)),
        ]

    def test_buckets_of_several_minutes_are_aligned(self) -> None:
        found = buckets(self.HOURS, now_us=(NOW + 299) * SECOND, window_minutes=6, bucket_seconds=300)
        assert found == [(NOW - 300, sent(3)), (NOW, Slot(28, 1, 2, 100))]

    def test_shards_add_up(self) -> None:
        twice = (*self.HOURS, *self.HOURS)
        found = buckets(twice, now_us=(NOW + 200) * SECOND, window_minutes=1, bucket_seconds=60)
        assert found == [(NOW + 180, Slot(16, 2, 4, 200))]

    def test_nothing_settled_is_shown_as_nothing(self) -> None:
        found = buckets((), now_us=NOW * SECOND, window_minutes=3, bucket_seconds=10)
        assert found == [(NOW - 120, Slot()), (NOW - 60, Slot()), (NOW, Slot())]

    @given(
        counts=st.dictionaries(st.integers(0, 48 * 60 - 1), st.integers(1, 100), max_size=30),
        window_minutes=st.integers(1, 48 * 60),
        bucket_seconds=st.integers(1, 7_200),
        offset_seconds=st.integers(0, 7_200),
    )
    def test_every_minute_of_the_window_is_in_exactly_one_bucket(
        self, counts: dict[int, int], window_minutes: int, bucket_seconds: int, offset_seconds: int
    ) -> None:
        first_minute = NOW // 60 - 47 * 60
        hours: dict[int, Hour] = {}
        for minute, count in counts.items():
            number = (first_minute + minute) // 60
            hours.setdefault(number, Hour(hour=number, minutes={}))
            hours[number] = hours[number].add((first_minute + minute) * 60, sent(count))
        now = NOW + offset_seconds
        found = buckets(
            hours.values(), now_us=now * SECOND, window_minutes=window_minutes, bucket_seconds=bucket_seconds
        )
        starts = [start for start, _ in found]
        size = max(60, bucket_seconds // 60 * 60)
        assert starts == list(range(starts[0], starts[-1] + 1, size))
        assert starts[-1] <= now < starts[-1] + size
        assert starts[0] <= (now // 60 - window_minutes + 1) * 60 < starts[0] + size
        assert sum(slot.sent for _, slot in found) == sum(
            count for minute, count in counts.items() if starts[0] <= (first_minute + minute) * 60 <= now
        )
