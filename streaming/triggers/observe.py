"""Routes that show what a stream is doing."""

from __future__ import annotations

import azure.functions as func

from shared import exposition
from shared.clock import to_iso
from streaming import wiring
from streaming.flows import reports
from streaming.flows.health import Level
from streaming.retail.event_types import DESCRIPTIONS, EVENT_TYPES
from streaming.triggers.http import answers, prefers_text, query_of, refuse, reply
from streaming.triggers.requests import HistoryQuery, NoQuery, RecentQuery, StatisticsQuery

blueprint = func.Blueprint()


@blueprint.function_name("stream_status")
@blueprint.route(route="api/stream/status", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def status(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    return reply(reports.status(await wiring.application().view()))


@blueprint.function_name("stream_statistics")
@blueprint.route(route="api/stream/statistics", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def statistics(req: func.HttpRequest) -> func.HttpResponse:
    query = query_of(req, StatisticsQuery)
    app = wiring.application()
    view = await (app.view() if query.session_id is None else app.observer().view_of(query.session_id))
    if view is None:
        raise refuse(404, f"There is no session {query.session_id}.")
    return reply(reports.statistics(view))


@blueprint.function_name("stream_statistics_history")
@blueprint.route(route="api/stream/statistics/history", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def statistics_history(req: func.HttpRequest) -> func.HttpResponse:
    query = query_of(req, HistoryQuery)
    return reply(
        await wiring.application()
        .history()
        .report(window_minutes=query.window_minutes, bucket_seconds=query.bucket_seconds)
    )


@blueprint.function_name("stream_books")
@blueprint.route(route="api/stream/books", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def books(req: func.HttpRequest) -> func.HttpResponse:
    query = query_of(req, StatisticsQuery)
    terms = await wiring.application().observer().audit(query.session_id)
    if terms is None:
        raise refuse(404, f"There is no session {query.session_id}.")
    return reply(reports.books(terms))


@blueprint.function_name("stream_events_recent")
@blueprint.route(route="api/stream/events/recent", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def events_recent(req: func.HttpRequest) -> func.HttpResponse:
    query = query_of(req, RecentQuery)
    app = wiring.application()
    events = await app.observer().recent(query.limit)
    return reply({"events": events, "count": len(events), "timestamp": to_iso(app.clock.now_us())})


@blueprint.function_name("stream_event_types")
@blueprint.route(route="api/stream/event-types", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def event_types(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    return reply({"event_types": EVENT_TYPES, "count": len(EVENT_TYPES), "description": DESCRIPTIONS})


@blueprint.function_name("stream_health")
@blueprint.route(route="api/stream/health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answers
async def stream_health(req: func.HttpRequest) -> func.HttpResponse:
    """Health with reasons; or the metrics, always 200, for a scraper that was pointed here by the old guide."""
    if prefers_text(req):
        return await _metrics()
    query_of(req, NoQuery)
    report = await wiring.application().health()
    return reply(report, status=503 if report.status is Level.UNHEALTHY else 200)


@blueprint.function_name("metrics")
@blueprint.route(route="metrics", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answers
async def metrics(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - whatever a scraper adds is ignored
    return await _metrics()


async def _metrics() -> func.HttpResponse:
    text = await wiring.application().metrics().text()
    headers = {"Content-Type": exposition.MEDIA_TYPE, "Cache-Control": "no-store", "Vary": "Accept"}
    return func.HttpResponse(text.encode(), headers=headers)


@blueprint.function_name("liveness")
@blueprint.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def liveness(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the platform passes it by name
    """The process answers; no dependency is asked."""
    return reply({"status": "healthy"})
