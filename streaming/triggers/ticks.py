"""The timers."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import telemetry
from shared.clock import MICROSECONDS
from streaming import wiring

logger = logging.getLogger(__name__)

RUN_SECONDS = 30
"""How long one invocation runs windows before the timer starts the next one."""

blueprint = func.Blueprint()


@blueprint.function_name("stream_tick")
@blueprint.timer_trigger(arg_name="timer", schedule=wiring.stream_schedule(), use_monitor=False)
async def stream_tick(timer: func.TimerRequest, context: func.Context) -> None:  # noqa: ARG001 - the platform passes it by name
    """Run the live stream's windows. Returns at once when no stream is active."""
    try:
        app = wiring.application()
        flow = app.live()
    except wiring.SettingsError as error:
        telemetry.error(logger, "settings_missing", detail=str(error))
        return
    with app.traces().run("stream_tick", parent=context.trace_context.trace_parent):
        await app.summaries().beside(flow.run(until_us=app.clock.now_us() + RUN_SECONDS * MICROSECONDS))
