"""Timers that look after the stream from outside: whether its own timer lives, and whether the hub can be reached."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import telemetry
from streaming import wiring

logger = logging.getLogger(__name__)

EVERY_MINUTE = "0 * * * * *"
EVERY_FIVE_MINUTES = "30 */5 * * * *"

blueprint = func.Blueprint()


@blueprint.function_name("stream_watch")
@blueprint.timer_trigger(arg_name="timer", schedule=EVERY_MINUTE, use_monitor=False)
async def stream_watch(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the platform passes it by name
    """Log the record ``stream_watch``. In Azure this runs on an instance of its own."""
    await wiring.application().watch()


@blueprint.function_name("connection_check")
@blueprint.timer_trigger(arg_name="timer", schedule=EVERY_FIVE_MINUTES, use_monitor=False)
async def connection_check(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the platform passes it by name
    """Log the record ``connection_check``."""
    report = await wiring.application().check_connection()
    telemetry.record(
        logger,
        logging.INFO if report.success else logging.WARNING,
        "connection_check",
        success=report.success,
        reason=report.reason.value,
        response_time_ms=report.response_time_ms,
        detail=report.message,
    )
