"""The outbox's queue functions, its sweeper, and its routes.

A message is a hint: what there is to do is in the table. It is lost, doubled or late without harm, so a function that
fails leaves no work behind that the sweeper would not find.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Final

import azure.functions as func

from shared import telemetry
from shared.clock import MICROSECONDS
from streaming import wiring
from streaming.flows.outbox_clear import ClearingBusyError
from streaming.triggers.http import answers, body_of, query_of, refuse, reply
from streaming.triggers.requests import DrainBody, NoQuery, PreviewQuery

if TYPE_CHECKING:
    from streaming.flows.outbox_desk import Hints

logger = logging.getLogger(__name__)

STORAGE: Final = "AzureWebJobsStorage"
RUN_SECONDS: Final = 30
"""How long one message is worked on before the next one goes on."""
SWEEP_SCHEDULE: Final = "*/5 * * * * *"
HINT: Final = "{}"

blueprint = func.Blueprint()


@blueprint.function_name("outbox_stage")
@blueprint.queue_trigger(arg_name="message", queue_name=wiring.stage_queue(), connection=STORAGE)
@blueprint.queue_output(arg_name="stage", queue_name=wiring.stage_queue(), connection=STORAGE)
@blueprint.queue_output(arg_name="drain", queue_name=wiring.drain_queue(), connection=STORAGE)
async def outbox_stage(
    message: func.QueueMessage,  # noqa: ARG001 - the platform passes it by name
    context: func.Context,
    stage: func.Out[str],
    drain: func.Out[str],
) -> None:
    """Stage the next day, or go on with the one that is being staged."""
    app = wiring.application()
    with app.traces().run("outbox_stage", parent=context.trace_context.trace_parent) as attributes:
        attributes["outcome"] = "ended"  # It is asked for only when there is something to stage.
        _send(await app.outbox().staging.run(_until_us(app)), stage, drain)


@blueprint.function_name("outbox_drain")
@blueprint.queue_trigger(arg_name="message", queue_name=wiring.drain_queue(), connection=STORAGE)
@blueprint.queue_output(arg_name="stage", queue_name=wiring.stage_queue(), connection=STORAGE)
@blueprint.queue_output(arg_name="drain", queue_name=wiring.drain_queue(), connection=STORAGE)
async def outbox_drain(
    message: func.QueueMessage,  # noqa: ARG001 - the platform passes it by name
    context: func.Context,
    stage: func.Out[str],
    drain: func.Out[str],
) -> None:
    """Drain the lanes that nobody drains."""
    app = wiring.application()
    with app.traces().run("outbox_drain", parent=context.trace_context.trace_parent):
        _send(await app.outbox().draining.run(_until_us(app)), stage, drain)


@blueprint.function_name("outbox_stage_poison")
@blueprint.queue_trigger(arg_name="message", queue_name=f"{wiring.stage_queue()}-poison", connection=STORAGE)
async def outbox_stage_poison(message: func.QueueMessage) -> None:  # noqa: ARG001 - the platform passes it by name
    """Record a message that failed too often. The work itself is not lost: the sweeper asks for it again."""
    await wiring.application().outbox().sweeper.poisoned(wiring.stage_queue())


@blueprint.function_name("outbox_drain_poison")
@blueprint.queue_trigger(arg_name="message", queue_name=f"{wiring.drain_queue()}-poison", connection=STORAGE)
async def outbox_drain_poison(message: func.QueueMessage) -> None:  # noqa: ARG001 - the platform passes it by name
    """As ``outbox_stage_poison``."""
    await wiring.application().outbox().sweeper.poisoned(wiring.drain_queue())


@blueprint.function_name("outbox_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule=SWEEP_SCHEDULE, use_monitor=False)
@blueprint.queue_output(arg_name="stage", queue_name=wiring.stage_queue(), connection=STORAGE)
@blueprint.queue_output(arg_name="drain", queue_name=wiring.drain_queue(), connection=STORAGE)
async def outbox_sweep(timer: func.TimerRequest, stage: func.Out[str], drain: func.Out[str]) -> None:  # noqa: ARG001 - the platform passes it by name
    """Find what was forgotten, delayed or left behind, and ask for it."""
    try:
        outbox = wiring.application().outbox()
    except wiring.SettingsError as error:
        telemetry.error(logger, "settings_missing", detail=str(error))
        return
    _send(await outbox.sweeper.run(), stage, drain)


@blueprint.function_name("outbox_status")
@blueprint.route(route="api/stream/outbox/status", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def status(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    return reply(await wiring.application().outbox().report())


@blueprint.function_name("outbox_preview")
@blueprint.route(route="api/stream/outbox/preview", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def preview(req: func.HttpRequest) -> func.HttpResponse:
    query = query_of(req, PreviewQuery)
    return reply(await wiring.application().outbox().preview(query.status, limit=query.limit))


@blueprint.function_name("outbox_drain_order")
@blueprint.route(route="api/stream/outbox/drain", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@blueprint.queue_output(arg_name="drain", queue_name=wiring.drain_queue(), connection=STORAGE)
@answers
async def order(req: func.HttpRequest, drain: func.Out[str]) -> func.HttpResponse:
    body = body_of(req, DrainBody)
    app = wiring.application()
    if app.hub_problems:
        missing = " ".join(f"{problem.setting} {problem.message}" for problem in app.hub_problems)
        raise refuse(400, f"There is nothing to send to: {missing}")
    try:
        hints = await app.outbox().order(emit_interval_ms=body.emit_interval_ms, burst=body.burst)
    except ClearingBusyError as error:
        raise refuse(409, "Others are asking for the same thing. Try again.") from error
    if hints.drain:
        drain.set(HINT)
    return reply(
        {
            "success": True,
            "message": "What is pending is being sent. See /api/stream/outbox/status.",
            "operation_id": str(uuid.uuid4()),
        },
        status=202,
    )


@blueprint.function_name("outbox_clear")
@blueprint.route(route="api/stream/outbox/clear", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def clear(req: func.HttpRequest) -> func.HttpResponse:
    body_of(req, NoQuery)
    try:
        cleared = await wiring.application().outbox().clear()
    except ClearingBusyError as error:
        raise refuse(409, "The outbox is too busy to be cleared. Try again.") from error
    return reply({"success": True, "message": f"{cleared} pending events were cleared.", "cleared": cleared})


def _send(hints: Hints, stage: func.Out[str], drain: func.Out[str]) -> None:
    if hints.stage:
        stage.set(HINT)
    if hints.drain:
        drain.set(HINT)


def _until_us(app: wiring.Application) -> int:
    return app.clock.now_us() + RUN_SECONDS * MICROSECONDS
