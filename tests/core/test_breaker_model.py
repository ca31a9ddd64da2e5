"""The breaker against a tiny model of what is promised, under every order of asking and answering.

Results come late, twice, after their permit has expired, or never; operators interfere; settings change on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streaming.core.breaker import (
    BreakerSettings,
    BreakerState,
    Denied,
    Permit,
    acquire,
    failed,
    force_open,
    renewed,
    reset,
    succeeded,
)

SECOND = 1_000_000
T0 = 1_767_225_600 * SECOND
PERMIT_SECONDS = 8

all_settings = st.builds(
    BreakerSettings,
    enabled=st.just(True),
    failure_threshold=st.integers(1, 4),
    timeout_seconds=st.sampled_from([1, 5, 60, 450, 3_600]),
    half_open_max_calls=st.integers(1, 4),
    permit_seconds=st.just(float(PERMIT_SECONDS)),
)
jitters = st.floats(0, 1)


@dataclass
class Model:
    """What is promised, in the plainest words."""

    status: Literal["closed", "open", "half_open"] = "closed"
    failures: int = 0
    trips: int = 0
    waits: list[int] = field(default_factory=list)
    """Since it was last closed, microseconds."""
    retry_at_us: int | None = None
    out: dict[str, int] = field(default_factory=dict)
    """Trials that are out, and when they expire."""
    accepted: int = 0
    chapter: int = 0
    """Counts the transitions; a permit is good for the chapter it was given in."""

    def turn(self, status: Literal["closed", "open", "half_open"]) -> None:
        if status == "open" and self.status != "open":
            self.trips += 1
        if status == "closed":
            self.waits, self.failures = [], 0
        self.status, self.out, self.accepted, self.retry_at_us = status, {}, 0, None
        self.chapter += 1


@dataclass(frozen=True)
class Given:
    permit: Permit
    chapter: int


class Breaker(RuleBasedStateMachine):
    @initialize(wanted=all_settings)
    def begin(self, wanted: BreakerSettings) -> None:
        self.settings = wanted
        self.now_us = T0
        self.state = BreakerState()
        self.model = Model()
        self.given: list[Given] = []
        self.names = count()

    # Time

    @rule(seconds=st.one_of(st.integers(0, 20), st.sampled_from([60, 600, 7_200])))
    def time_passes(self, seconds: int) -> None:
        self.now_us += seconds * SECOND

    @precondition(lambda self: self.state.retry_at_us is not None or self.model.out)
    @rule(early_us=st.sampled_from([0, 1]))
    def the_next_moment_comes(self, early_us: int) -> None:
        """The wait ends, or a permit expires; or almost."""
        moment_us = self.state.retry_at_us or min(self.model.out.values())
        self.now_us = max(self.now_us, moment_us - early_us)

    def _settings_change(self, wanted: BreakerSettings, *, enabled: bool) -> None:
        self.settings = replace(wanted, enabled=enabled)

    @precondition(lambda self: self.settings.enabled and self.model.status == "closed")
    @rule()
    def the_hub_goes_down(self) -> None:
        """Straight to the first trial: the states behind it are the interesting ones."""
        while self.model.status == "closed":
            self.ask()
            self._result(self.given[-1], ok=False, jitter=0.5)
        self.the_next_moment_comes(early_us=0)
        self.ask()

    # Permits

    @rule()
    def ask(self) -> None:
        name, model = f"p{next(self.names)}", self.model
        before = self.state
        self.state, answer = acquire(self.state, self.settings, now_us=self.now_us, permit_id=name, by="one")
        if not self.settings.enabled or model.status == "closed":
            assert self.state == before
            self._permitted(answer)
            return
        if model.status == "open":
            if model.retry_at_us is None or self.now_us < model.retry_at_us:
                assert answer == Denied(retry_at_us=model.retry_at_us)
                return
            model.turn("half_open")
        most = self.settings.half_open_max_calls
        still_out = {trial: expires_us for trial, expires_us in model.out.items() if expires_us > self.now_us}
        if model.accepted >= most:
            model.turn("closed")
            self._permitted(answer)
        elif len(still_out) + model.accepted < most:
            model.out = still_out | {name: self.now_us + PERMIT_SECONDS * SECOND}
            assert len(model.out) + model.accepted <= most
            self._permitted(answer)
        else:
            # Whoever is refused is told when asking helps: never in the past, never later than the next expiry.
            assert answer == Denied(retry_at_us=min(still_out.values()))

    def _permitted(self, answer: Permit | Denied) -> None:
        assert isinstance(answer, Permit)
        self.given.append(Given(answer, self.model.chapter))

    @rule(ok=st.booleans(), jitter=jitters)
    def a_batch_is_sent(self, *, ok: bool, jitter: float) -> None:
        before = len(self.given)
        self.ask()
        if len(self.given) > before:
            self._result(self.given[-1], ok=ok, jitter=jitter)

    @precondition(lambda self: self.given)
    @rule(back=st.integers(0, 8), ok=st.booleans(), jitter=jitters)
    def a_result_comes_in(self, back: int, *, ok: bool, jitter: float) -> None:
        """Of any permit lately given, and any number of times."""
        self._result(self.given[-1 - back % len(self.given)], ok=ok, jitter=jitter)

    @precondition(lambda self: self.model.out)
    @rule(which=st.integers(0, 3), ok=st.sampled_from([True, True, False]), jitter=jitters)
    def a_trial_is_answered(self, which: int, *, ok: bool, jitter: float) -> None:
        name = sorted(self.model.out)[which % len(self.model.out)]
        self._result(next(given for given in self.given if given.permit.permit_id == name), ok=ok, jitter=jitter)

    def _result(self, given: Given, *, ok: bool, jitter: float) -> None:
        before = self.state
        if ok:
            self.state = succeeded(self.state, given.permit, self.settings, now_us=self.now_us, by="one")
        else:
            self.state = failed(
                self.state,
                given.permit,
                self.settings,
                category="throttling",
                now_us=self.now_us,
                jitter=jitter,
                by="one",
            )
        if not self._counts(given):
            assert self.state == before
        elif ok:
            self._count_success(given)
        else:
            self._count_failure()

    def _counts(self, given: Given) -> bool:
        model = self.model
        if not self.settings.enabled or given.chapter != model.chapter or model.status == "open":
            return False
        return model.status == "closed" or given.permit.permit_id in model.out

    def _count_success(self, given: Given) -> None:
        model = self.model
        if model.status == "closed":
            model.failures = 0
            return
        del model.out[given.permit.permit_id]
        model.accepted += 1
        if model.accepted >= self.settings.half_open_max_calls:
            model.turn("closed")

    def _count_failure(self) -> None:
        model = self.model
        model.failures += 1
        if model.status == "closed" and model.failures < self.settings.failure_threshold:
            return
        model.turn("open")
        model.retry_at_us = self._checked_wait() + self.now_us

    def _checked_wait(self) -> int:
        """The new wait, as the promise bounds it."""
        assert self.state.retry_at_us is not None
        wait_us, waits = self.state.retry_at_us - self.now_us, self.model.waits
        timeout_us = self.settings.timeout_seconds * SECOND
        if waits:
            assert timeout_us < wait_us <= max(600 * SECOND, 2 * timeout_us)
        else:
            assert wait_us == timeout_us
        waits.append(wait_us)
        return wait_us

    # Interference

    @rule(kind=st.integers(0, 3), wanted=all_settings, enabled=st.booleans())
    def somebody_interferes(self, kind: int, wanted: BreakerSettings, *, enabled: bool) -> None:
        """One rule for all of it, so that it doesn't drown what it interferes with."""
        match kind:
            case 0:
                self._operator_resets()
            case 1:
                self._operator_forces_it_open()
            case 2:
                self._session_starts()
            case _:
                self._settings_change(wanted, enabled=enabled)

    def _operator_resets(self) -> None:
        before = self.state
        self.state = reset(self.state, now_us=self.now_us, reason="fixed", by="operator")
        if self.model.status != "closed":
            self.model.turn("closed")
        elif self.model.failures:
            self.model.failures = 0
        else:
            assert self.state == before

    def _operator_forces_it_open(self) -> None:
        self.state = force_open(self.state, now_us=self.now_us, reason="maintenance", by="operator")
        self.model.turn("open")
        self.model.waits.append(0)

    def _session_starts(self) -> None:
        self.state = renewed(self.state, now_us=self.now_us)
        self.model = Model(chapter=self.model.chapter + 1)

    # What must hold at any time

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        state, model = self.state, self.model
        assert state.status.value == model.status
        assert state.trips == model.trips
        assert state.retry_at_us == model.retry_at_us
        assert {trial.permit_id for trial in state.trials} == set(model.out)
        assert state.trial_successes == model.accepted
        if model.status == "closed":
            assert state.consecutive_failures == model.failures
            assert state.healthy is (model.failures == 0)
            assert state.opened_at_us is None

    @invariant()
    def it_survives_storage(self) -> None:
        if hasattr(self, "state"):
            self.state = BreakerState.from_json(orjson.loads(orjson.dumps(self.state.to_json())))

    @invariant()
    def it_can_always_close(self) -> None:
        """Nothing jams it: whatever is out, once it has expired, trials that succeed close the breaker."""
        if not hasattr(self, "state") or (self.model.status == "open" and self.model.retry_at_us is None):
            return
        wanted = replace(self.settings, enabled=True)
        state, now_us = self.state, max(self.now_us, self.state.retry_at_us or 0) + PERMIT_SECONDS * SECOND
        for number in range(wanted.half_open_max_calls + 1):
            if state.status.value == "closed":
                break
            state, answer = acquire(state, wanted, now_us=now_us, permit_id=f"x{number}", by="one")
            assert isinstance(answer, Permit)
            state = succeeded(state, answer, wanted, now_us=now_us, by="one")
        assert state.status.value == "closed"


TestBreaker = Breaker.TestCase
TestBreaker.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


@dataclass(frozen=True)
class Decision:
    """What an instance is about to write, and what follows once it is stored."""

    state: BreakerState
    at_us: int
    granted: Permit | None = None
    accepted: Permit | None = None


@dataclass
class Instance:
    """A process that shares the breaker: what it last read, and what it is about to write."""

    state: BreakerState = field(default_factory=BreakerState)
    version: int = 0
    writing: Decision | None = None


class Sharing(RuleBasedStateMachine):
    """Several instances, one row, conditional writes, at any interleaving: the permits hold for all of them together.

    Each reads when it likes, decides on what it has read, and writes when it likes; a write under an old version is
    refused, and what was decided with it void.
    """

    SETTINGS = BreakerSettings(
        enabled=True, failure_threshold=2, timeout_seconds=5, half_open_max_calls=2, permit_seconds=8.0
    )

    @initialize()
    def begin(self) -> None:
        self.now_us = T0
        self.row, self.version = BreakerState(), 0
        self.the_hub_goes_down()
        self.instances = [Instance() for _ in range(3)]
        self.names = count()
        self.permits: list[Permit] = []
        self.trials: dict[int, dict[str, int]] = {}
        """Per epoch: the half-open permits that instances were granted, and when they expire."""
        self.accepted: dict[int, set[str]] = {}
        """Per epoch: those whose success was stored."""

    @rule(seconds=st.integers(0, 9))
    def time_passes(self, seconds: int) -> None:
        self.now_us += seconds * SECOND

    @precondition(lambda self: self.row.status.value == "closed")
    @rule()
    def the_hub_goes_down(self) -> None:
        """Somebody else has written that; the wait is over now."""
        while self.row.status.value == "closed":
            permit = Permit(epoch=self.row.epoch)
            self.row = failed(
                self.row, permit, self.SETTINGS, category="throttling", now_us=self.now_us, jitter=0.5, by="other"
            )
        self.version += 1
        assert self.row.retry_at_us is not None
        self.now_us = self.row.retry_at_us

    @rule(which=st.integers(0, 2))
    def everything_at_once(self, which: int) -> None:
        self.read(which)
        self.ask(which)
        self.write(which)

    @rule(which=st.integers(0, 2))
    def read(self, which: int) -> None:
        instance = self.instances[which]
        if instance.writing is None:
            instance.state, instance.version = self.row, self.version

    @rule(which=st.integers(0, 2))
    def ask(self, which: int) -> None:
        instance = self.instances[which]
        if instance.writing is None:
            state, answer = acquire(
                instance.state, self.SETTINGS, now_us=self.now_us, permit_id=f"p{next(self.names)}", by=str(which)
            )
            self._decide(instance, Decision(state, self.now_us, granted=answer if isinstance(answer, Permit) else None))

    @precondition(lambda self: self.permits)
    @rule(which=st.integers(0, 2), back=st.integers(0, 5), ok=st.booleans())
    def report(self, which: int, back: int, *, ok: bool) -> None:
        instance = self.instances[which]
        if instance.writing is not None or back >= len(self.permits):
            return
        permit = self.permits[-1 - back]
        if ok:
            state = succeeded(instance.state, permit, self.SETTINGS, now_us=self.now_us, by=str(which))
        else:
            state = failed(
                instance.state,
                permit,
                self.SETTINGS,
                category="throttling",
                now_us=self.now_us,
                jitter=0.5,
                by=str(which),
            )
        self._decide(instance, Decision(state, self.now_us, accepted=permit if ok else None))

    def _decide(self, instance: Instance, decision: Decision) -> None:
        if decision.state == instance.state:
            self._grant(decision)  # Nothing to write: closed.
        else:
            instance.writing = decision

    @rule(which=st.integers(0, 2))
    def write(self, which: int) -> None:
        instance = self.instances[which]
        if instance.writing is None:
            return
        decision, instance.writing = instance.writing, None
        if instance.version != self.version:
            instance.state, instance.version = self.row, self.version
            return
        self.row, self.version = decision.state, self.version + 1
        instance.state, instance.version = self.row, self.version
        self._grant(decision)
        if decision.accepted is not None:
            self.accepted.setdefault(decision.accepted.epoch, set()).add(decision.accepted.permit_id)

    def _grant(self, decision: Decision) -> None:
        permit = decision.granted
        if permit is None:
            return
        self.permits.append(permit)
        if permit.permit_id:
            self.trials.setdefault(permit.epoch, {})[permit.permit_id] = decision.at_us + 8 * SECOND

    @invariant()
    def together_they_never_exceed_the_trials(self) -> None:
        if not hasattr(self, "row") or self.row.status.value != "half_open":
            return
        accepted = self.accepted.get(self.row.epoch, set())
        granted = self.trials.get(self.row.epoch, {})
        out = [name for name, expires_us in granted.items() if expires_us > self.now_us and name not in accepted]
        assert len(out) + len(accepted) <= self.SETTINGS.half_open_max_calls


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
