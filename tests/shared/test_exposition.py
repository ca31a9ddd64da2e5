"""The Prometheus text format, letter by letter."""

from __future__ import annotations

import math

from shared.exposition import Metric, Sample, counter, gauge, render


def test_a_gauge() -> None:
    assert render([gauge("streaming_active", "Whether.", 1)]) == (
        "# HELP streaming_active Whether.\n# TYPE streaming_active gauge\nstreaming_active 1\n"
    )


def test_a_counter_goes_by_both_names() -> None:
    assert render(counter("sent", "Sent.", 12.5)) == (
        "# HELP sent Sent.\n# TYPE sent counter\nsent 12.5\n"
        "# HELP sent_total Sent.\n# TYPE sent_total counter\nsent_total 12.5\n"
    )


def test_labels_and_help_are_escaped() -> None:
    samples = (Sample(labels={"a": 'x"y\\z\n', "b": "2"}, value=math.inf),)
    assert render([Metric(name="m", kind="gauge", text="a\\b\nc", samples=samples)]) == (
        '# HELP m a\\\\b\\nc\n# TYPE m gauge\nm{a="x\\"y\\\\z\\n",b="2"} +Inf\n'
    )


def test_large_counts_are_written_exactly() -> None:
    assert "\nn 12345678901234567\n" in render([gauge("n", "N.", 12345678901234567)])
