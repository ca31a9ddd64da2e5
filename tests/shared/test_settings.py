"""Whatever the environment holds, it can be read, and what is wrong is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import LOG_LEVELS, OutboxSettings, Settings, WorldSettings, read_settings, which_are_set

STORAGE = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
NAMES = [
    "AzureWebJobsStorage",
    "AzureWebJobsStorage__",
    "AzureWebJobsStorage__tableServiceUri",
    "STREAM_TABLE_PREFIX",
    "STREAM_SCHEDULE",
    "LOG_LEVEL",
    "REALTIME_",
    "REALTIME_BURST",
    "REALTIME_burst",
    "WORLD_SEED",
    "WORLD_STORES",
    "WORLD_DISTRIBUTION_CENTERS",
    "WORLD_PRODUCTS",
    "WORLD_CUSTOMERS",
    "RATE_LIMIT_START",
    "RATE_LIMIT_TEST",
    "RATE_LIMIT_DISRUPTION",
    "RATE_LIMIT_VALIDATION",
    "PATH",
]
BOUNDS = {
    "WORLD_SEED": (0, 2**63 - 1),
    "WORLD_STORES": (1, 1_000),
    "WORLD_DISTRIBUTION_CENTERS": (1, 100),
    "WORLD_PRODUCTS": (100, 10_000),
    "WORLD_CUSTOMERS": (100, 1_000_000),
}
any_text = st.text(st.characters(), max_size=20)
"""Undecodable bytes too, as a lone surrogate: that is how Python shows them in the environment."""


def problems(settings: Settings) -> list[str]:
    return [problem.setting for problem in settings.problems]


INSIGHTS = "InstrumentationKey=00000000-0000-0000-0000-00000000c0de;IngestionEndpoint=https://example.com/"


def test_defaults() -> None:
    settings = read_settings(STORAGE)
    assert settings == Settings(
        storage={"connectionString": "UseDevelopmentStorage=true"},
        proxied=False,
        table_prefix="retail",
        schedule="* * * * * *",
        log_level="INFO",
        realtime={},
        world=WorldSettings(seed=42, stores=50, distribution_centers=5, products=1_000, customers=20_000),
        outbox=OutboxSettings(first_day="2026-01-01", day_scale=1.0),
        application_insights=None,
        rate_limits={"start": 5, "test": 10, "disruption": 20, "validation": 20},
        problems=(),
    )


def test_everything_can_be_set() -> None:
    settings = read_settings(
        {
            "AzureWebJobsStorage__tableServiceUri": "https://a.table.core.windows.net",
            "AzureWebJobsStorage__credential": "managedidentity",
            "STREAM_TABLE_PREFIX": "Test1",
            "STREAM_SCHEDULE": "*/2 * * * * *",
            "LOG_LEVEL": "debug",
            "REALTIME_BURST": "50",
            "REALTIME_EMIT_INTERVAL_MS": "100",
            "REALTIME_SHARDS": "",
            "WORLD_STORES": "250",
            "WORLD_DISTRIBUTION_CENTERS": "25",
            "WORLD_PRODUCTS": "10000",
            "WORLD_CUSTOMERS": "400000",
            "OUTBOX_FIRST_DAY": "20250930",
            "OUTBOX_DAY_SCALE": "2.5",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": INSIGHTS,
            "https_proxy": "http://proxy:8080",
            "UNRELATED": "x",
        }
    )
    assert settings == Settings(
        storage={"tableServiceUri": "https://a.table.core.windows.net", "credential": "managedidentity"},
        proxied=True,
        table_prefix="Test1",
        schedule="*/2 * * * * *",
        log_level="DEBUG",
        realtime={"burst": "50", "emit_interval_ms": "100"},
        world=WorldSettings(seed=42, stores=250, distribution_centers=25, products=10_000, customers=400_000),
        outbox=OutboxSettings(first_day="2025-09-30", day_scale=2.5),
        application_insights=INSIGHTS,
        rate_limits={"start": 5, "test": 10, "disruption": 20, "validation": 20},
        problems=(),
    )


@pytest.mark.parametrize(
    "wrong", ["here", "InstrumentationKey=secret", "IngestionEndpoint=https://a/", f"{INSIGHTS};x"]
)
def test_a_malformed_address_of_application_insights_is_named_and_not_repeated(wrong: str) -> None:
    settings = read_settings(STORAGE | {"APPLICATIONINSIGHTS_CONNECTION_STRING": wrong})
    assert settings.application_insights is None
    (problem,) = settings.problems
    assert problem.setting == "APPLICATIONINSIGHTS_CONNECTION_STRING"
    assert wrong not in problem.message


def test_a_connection_string_goes_before_an_identity() -> None:
    settings = read_settings(STORAGE | {"AzureWebJobsStorage__tableServiceUri": "https://a"})
    assert settings.storage == {"connectionString": "UseDevelopmentStorage=true"}


def test_all_problems_are_reported_at_once_and_defaults_stand_in() -> None:
    settings = read_settings(
        {
            "STREAM_TABLE_PREFIX": "1-bad",
            "STREAM_SCHEDULE": "every second",
            "LOG_LEVEL": "chatty",
            "WORLD_STORES": "many",
            "WORLD_DISTRIBUTION_CENTERS": "101",
            "WORLD_PRODUCTS": "99",
            "WORLD_CUSTOMERS": "1.5",
        }
    )
    assert problems(settings) == [
        "AzureWebJobsStorage",
        "STREAM_TABLE_PREFIX",
        "STREAM_SCHEDULE",
        "LOG_LEVEL",
        "WORLD_STORES",
        "WORLD_DISTRIBUTION_CENTERS",
        "WORLD_PRODUCTS",
        "WORLD_CUSTOMERS",
    ]
    assert (settings.table_prefix, settings.schedule, settings.log_level) == ("retail", "* * * * * *", "INFO")
    assert settings.world == WorldSettings(seed=42, stores=50, distribution_centers=5, products=1_000, customers=20_000)


@pytest.mark.parametrize(
    "schedule", ["0 */5 * * * *", "*/5 * * * *", "0 0 9-17 * JAN-JUN MON,FRI", "00:00:02", "1.00:00:00"]
)
def test_schedules_that_the_host_takes_are_handed_on(schedule: str) -> None:
    settings = read_settings(STORAGE | {"STREAM_SCHEDULE": schedule})
    assert (settings.schedule, settings.problems) == (schedule, ())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("OUTBOX_FIRST_DAY", text) for text in ("2026-02-29", "tomorrow", "1.5.2026")),
        *(("OUTBOX_DAY_SCALE", text) for text in ("0", "-1", "20.1", "nan", "much")),
    ],
)
def test_days_of_the_outbox_that_there_cannot_be(name: str, wrong: str) -> None:
    settings = read_settings(STORAGE | {name: wrong})
    assert problems(settings) == [name]
    assert settings.outbox == OutboxSettings(first_day="2026-01-01", day_scale=1.0)


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_of_the_world(name: str) -> None:
    low, high = BOUNDS[name]
    roomy = STORAGE | {"WORLD_STORES": "1000"}
    for value in (low, high):
        assert problems(read_settings(roomy | {name: str(value)})) == []
    for value in (low - 1, high + 1):
        assert problems(read_settings(roomy | {name: str(value)})) == [name]


@pytest.mark.parametrize("name", ["START", "TEST", "DISRUPTION", "VALIDATION"])
def test_rate_limits(name: str) -> None:
    for value in (0, 1_000):
        settings = read_settings(STORAGE | {f"RATE_LIMIT_{name}": str(value)})
        assert (settings.rate_limits[name.lower()], problems(settings)) == (value, [])
    for wrong in ("-1", "1001", "many"):
        assert problems(read_settings(STORAGE | {f"RATE_LIMIT_{name}": wrong})) == [f"RATE_LIMIT_{name}"]


def test_which_settings_are_set_is_told_without_their_values() -> None:
    told = which_are_set({"AzureWebJobsStorage": "secret", "REALTIME_BURST": "5", "LOG_LEVEL": "", "PATH": "x"})
    assert (told["AzureWebJobsStorage"], told["REALTIME_BURST"], told["LOG_LEVEL"]) == (True, True, False)
    assert "PATH" not in told


def test_a_center_serves_at_least_one_store() -> None:
    settings = read_settings(STORAGE | {"WORLD_STORES": "3", "WORLD_DISTRIBUTION_CENTERS": "4"})
    assert problems(settings) == ["WORLD_DISTRIBUTION_CENTERS"]
    assert settings.world.distribution_centers == 3


def test_a_center_count_that_is_wrong_in_itself_is_reported_once() -> None:
    settings = read_settings(STORAGE | {"WORLD_STORES": "1", "WORLD_DISTRIBUTION_CENTERS": "0"})
    assert problems(settings) == ["WORLD_DISTRIBUTION_CENTERS"]
    assert settings.world.distribution_centers == 1


def test_a_small_world_needs_no_second_setting() -> None:
    settings = read_settings(STORAGE | {"WORLD_STORES": "3"})
    assert problems(settings) == []
    assert settings.world.distribution_centers == 3


@pytest.mark.parametrize(
    ("prefix", "accepted"),
    [("a", True), ("A9", True), ("a" * 31, True), ("a" * 32, False), ("9a", False), ("a_b", False), ("a\n", False)],
)
def test_table_prefixes_are_what_azure_takes(prefix: str, accepted: bool) -> None:
    settings = read_settings(STORAGE | {"STREAM_TABLE_PREFIX": prefix})
    assert settings.table_prefix == (prefix if accepted else "retail")
    assert problems(settings) == ([] if accepted else ["STREAM_TABLE_PREFIX"])


@given(environment=st.dictionaries(st.one_of(st.sampled_from(NAMES), any_text), any_text))
def test_nothing_raises_on_garbage(environment: dict[str, str]) -> None:
    settings = read_settings(environment)
    assert settings.log_level in LOG_LEVELS
    assert settings.table_prefix.isalnum()
    world = settings.world
    for value, (low, high) in zip(
        (world.seed, world.stores, world.distribution_centers, world.products, world.customers),
        BOUNDS.values(),
        strict=True,
    ):
        assert low <= value <= high
    assert world.distribution_centers <= world.stores
    assert len(set(problems(settings))) == len(settings.problems)
    for problem in settings.problems:
        assert problem.setting in NAMES
        assert problem.message.endswith(".")


@given(secret=st.text(st.characters(codec="ascii"), min_size=8), name=st.sampled_from(NAMES))
def test_problems_do_not_repeat_what_was_set(secret: str, name: str) -> None:
    """A secret pasted into the wrong setting stays there."""
    for problem in read_settings({name: f"§{secret}§"}).problems:
        assert "§" not in problem.message
