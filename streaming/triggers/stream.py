"""Routes that command a stream."""

from __future__ import annotations

import uuid

import azure.functions as func

from shared.clock import MICROSECONDS, to_iso
from streaming import wiring
from streaming.core.session import Mode
from streaming.flows import reports
from streaming.flows.control import ImpossibleWorldError, Refusal, StartRequest
from streaming.retail.event_types import EVENT_TYPES
from streaming.triggers.http import answers, body_of, query_of, refuse, reply, within_limit
from streaming.triggers.requests import NoQuery, StartBody

blueprint = func.Blueprint()


@blueprint.function_name("stream_start")
@blueprint.route(route="api/stream/start", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@blueprint.queue_output(arg_name="stage", queue_name=wiring.stage_queue(), connection="AzureWebJobsStorage")
@answers
async def start(req: func.HttpRequest, stage: func.Out[str]) -> func.HttpResponse:
    body = body_of(req, StartBody)
    unknown = sorted(set(body.event_types or ()) - set(EVENT_TYPES))
    if unknown:
        raise refuse(400, f"Unknown event types: {', '.join(unknown)}. Valid ones: {', '.join(EVENT_TYPES)}.")
    await within_limit("start")
    app = wiring.application()
    if app.hub_problems:
        missing = " ".join(f"{problem.setting} {problem.message}" for problem in app.hub_problems)
        raise refuse(400, f"There is nothing to send to: {missing}")
    request = StartRequest(
        emit_interval_ms=body.emit_interval_ms,
        burst=body.burst,
        duration_minutes=body.duration_minutes,
        event_types=body.event_types,
        mode=Mode(body.mode),
        shards=body.shards,
        seed=body.seed,
    )
    try:
        session = await app.control().start(request)
    except ImpossibleWorldError as error:
        raise refuse(400, str(error)) from error
    if isinstance(session, Refusal):
        raise refuse(409, session.value)
    if session.mode is Mode.OUTBOX:
        stage.set("{}")
    return reply(
        {
            "success": True,
            "message": f"Streaming {session.events_per_second:g} events per second as session {session.session_id}.",
            "operation_id": _operation_id(),
            "session_id": session.session_id,
            "started_at": to_iso(session.started_at_us),
        }
    )


@blueprint.function_name("stream_stop")
@blueprint.route(route="api/stream/stop", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def stop(req: func.HttpRequest) -> func.HttpResponse:
    body_of(req, NoQuery)
    stopped = await wiring.application().control().stop()
    if isinstance(stopped, Refusal):
        raise refuse(400, stopped.value)
    ending = "The stream has stopped." if stopped.complete else "The stream is stopping: what was planned is finished."
    return reply({"success": True, "message": ending, "operation_id": _operation_id()})


@blueprint.function_name("stream_pause")
@blueprint.route(route="api/stream/pause", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def pause(req: func.HttpRequest) -> func.HttpResponse:
    body_of(req, NoQuery)
    session = await wiring.application().control().pause()
    if isinstance(session, Refusal):
        raise refuse(400 if session is Refusal.NONE_ACTIVE else 409, session.value)
    return reply(
        {
            "success": True,
            "message": "The stream pauses within about two seconds.",
            "paused_at": to_iso(session.paused_at_us or 0),
            "events_sent_before_pause": session.events_sent_before_pause,
        }
    )


@blueprint.function_name("stream_resume")
@blueprint.route(route="api/stream/resume", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def resume(req: func.HttpRequest) -> func.HttpResponse:
    body_of(req, NoQuery)
    resumed = await wiring.application().control().resume()
    if isinstance(resumed, Refusal):
        raise refuse(400 if resumed is Refusal.NONE_ACTIVE else 409, resumed.value)
    session, paused_us = resumed
    return reply(
        {
            "success": True,
            "message": "The stream goes on. The pause is not caught up.",
            "resumed_at": to_iso(session.resumed_at_us or 0),
            "pause_duration_seconds": paused_us // MICROSECONDS,
            "total_pause_count": session.pause_count,
        }
    )


@blueprint.function_name("stream_pause_status")
@blueprint.route(route="api/stream/pause-status", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def pause_status(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    return reply(reports.pause_status(await wiring.application().view()))


def _operation_id() -> str:
    """Names a request in the log and to its client; nothing is looked up by it."""
    return str(uuid.uuid4())
