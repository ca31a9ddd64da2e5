"""Routes of the dead-letter queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from streaming import wiring
from streaming.core.dead_letter import LetterFilter
from streaming.flows import letter_reports
from streaming.flows.dead_letters import QueueBusyError
from streaming.flows.redrive import RedriveRequest
from streaming.retail.event_types import EVENT_TYPES
from streaming.triggers.http import answers, body_of, query_of, refuse, reply
from streaming.triggers.requests import CategoryQuery, DeadLettersQuery, NoQuery, RedriveBody

if TYPE_CHECKING:
    from streaming.core.outcome import ErrorCategory

blueprint = func.Blueprint()


@blueprint.function_name("dlq_list")
@blueprint.route(route="api/stream/dlq", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def dlq_list(req: func.HttpRequest) -> func.HttpResponse:
    query = query_of(req, DeadLettersQuery)
    after = None
    if query.continuation is not None:
        after = letter_reports.read_continuation(query.continuation)
        if after is None:
            raise refuse(400, "continuation is none that this route gave out.")
    wanted = _filter(query.category, query.event_type)
    page = await wiring.application().dead_letters().page(wanted, limit=query.limit, after=after)
    return reply(letter_reports.page(page))


@blueprint.function_name("dlq_export")
@blueprint.route(route="api/stream/dlq/export", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def dlq_export(req: func.HttpRequest) -> func.HttpResponse:
    query = query_of(req, CategoryQuery)
    page = await wiring.application().dead_letters().page(LetterFilter(category=query.category), limit=None)
    return func.HttpResponse(
        letter_reports.json_lines(page.entries),
        mimetype="application/x-ndjson",
        headers={"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="dead-letters.jsonl"'},
    )


@blueprint.function_name("dlq_summary")
@blueprint.route(route="api/stream/dlq/summary", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def dlq_summary(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    app = wiring.application()
    config = (await app.view()).config
    return reply(await app.dead_letters().summary(max_size=config.dlq_max_size))


@blueprint.function_name("dlq_retry")
@blueprint.route(route="api/stream/dlq/retry", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def dlq_retry(req: func.HttpRequest) -> func.HttpResponse:
    body = body_of(req, RedriveBody)
    app = wiring.application()
    if app.hub_problems and not body.dry_run:
        missing = " ".join(f"{problem.setting} {problem.message}" for problem in app.hub_problems)
        raise refuse(400, f"There is nothing to send to: {missing}")
    request = RedriveRequest(
        wanted=_filter(body.category, body.event_type),
        max_events=body.max_events,
        max_per_second=body.max_per_second,
        include_exhausted=body.include_exhausted,
        dry_run=body.dry_run,
    )
    try:
        return reply(await app.redriver().redrive(request))
    except QueueBusyError as error:
        raise refuse(409, str(error)) from error


@blueprint.function_name("dlq_clear")
@blueprint.route(route="api/stream/dlq", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def dlq_clear(req: func.HttpRequest) -> func.HttpResponse:
    query = query_of(req, CategoryQuery)
    try:
        cleared = await wiring.application().dead_letters().clear(query.category)
    except QueueBusyError as error:
        raise refuse(409, str(error)) from error
    what = f" of category {query.category.value}" if query.category else ""
    return reply({"success": True, "message": f"{cleared} dead letters{what} were cleared.", "cleared": cleared})


def _filter(category: ErrorCategory | None, event_type: str | None) -> LetterFilter:
    if event_type is not None and event_type not in EVENT_TYPES:
        raise refuse(400, f"Unknown event type: {event_type}. Valid ones: {', '.join(EVENT_TYPES)}.")
    return LetterFilter(category=category, event_type=event_type)
