"""Routes about the way to the event hub: the circuit breaker, and whether events could be sent now."""

from __future__ import annotations

from dataclasses import asdict

import azure.functions as func

from streaming import wiring
from streaming.flows import reports
from streaming.triggers.http import answers, body_of, query_of, refuse, reply, within_limit
from streaming.triggers.requests import NoQuery, ReasonBody

blueprint = func.Blueprint()

OPERATOR = "operator"


@blueprint.function_name("breaker_get")
@blueprint.route(route="api/stream/circuit-breaker", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def breaker_get(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    view = await wiring.application().view()
    return reply(reports.circuit_breaker(view.breaker, enabled=view.config.circuit_breaker_enabled))


@blueprint.function_name("breaker_reset")
@blueprint.route(route="api/stream/circuit-breaker/reset", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def breaker_reset(req: func.HttpRequest) -> func.HttpResponse:
    body = body_of(req, ReasonBody)
    app = wiring.application()
    state = await app.breaker().reset(reason=body.reason or "reset on request", by=OPERATOR)
    enabled = (await app.view()).config.circuit_breaker_enabled
    report = asdict(reports.circuit_breaker(state, enabled=enabled))
    return reply({"success": True, "message": "The circuit breaker is closed.", **report})


@blueprint.function_name("breaker_open")
@blueprint.route(route="api/stream/circuit-breaker/open", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def breaker_open(req: func.HttpRequest) -> func.HttpResponse:
    body = body_of(req, ReasonBody)
    app = wiring.application()
    if not (await app.view()).config.circuit_breaker_enabled:
        raise refuse(409, "The circuit breaker is switched off: circuit_breaker_enabled is false.")
    state = await app.breaker().force_open(reason=body.reason or "opened on request", by=OPERATOR)
    message = "The circuit breaker is open until it is reset: POST /api/stream/circuit-breaker/reset."
    return reply({"success": True, "message": message, **asdict(reports.circuit_breaker(state, enabled=True))})


@blueprint.function_name("stream_test")
@blueprint.route(route="api/stream/test", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def stream_test(req: func.HttpRequest) -> func.HttpResponse:
    """Whether events could be sent now; needs neither storage nor a stream."""
    body_of(req, NoQuery)
    await within_limit("test")
    report = await wiring.application().check_connection()
    return reply(
        {
            "success": report.success,
            "message": report.message,
            "reason": report.reason,
            "response_time_ms": report.response_time_ms,
            "details": {
                "namespace": report.namespace,
                "event_hub": report.event_hub,
                "partition_count": report.partition_count,
            },
        }
    )
