"""Routes for whoever helps, backs up, or moves a stream."""

from __future__ import annotations

import azure.functions as func

from streaming import wiring
from streaming.flows.state import MalformedStateError, OutboxState, ShardState, StateDocument, StateRefusal
from streaming.triggers.http import answers, body_of, query_of, refuse, reply
from streaming.triggers.requests import NoQuery, StateBody

blueprint = func.Blueprint()


@blueprint.function_name("stream_diagnostics")
@blueprint.route(route="api/stream/diagnostics", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def stream_diagnostics(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    return reply(await wiring.application().diagnostics())


@blueprint.function_name("state_export")
@blueprint.route(route="api/state/export", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def state_export(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    exported = await wiring.application().state().export()
    if isinstance(exported, StateRefusal):
        raise refuse(409, exported.value)
    return reply(exported)


@blueprint.function_name("state_import")
@blueprint.route(route="api/state/import", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def state_import(req: func.HttpRequest) -> func.HttpResponse:
    body = body_of(req, StateBody)
    document = StateDocument(
        version=body.version,
        exported_at=body.exported_at,
        config=body.config,
        session=body.session,
        shards=[
            ShardState(cursor=shard.cursor, checkpoint=shard.checkpoint, recent=shard.recent) for shard in body.shards
        ],
        outbox=None if body.outbox is None else OutboxState(**body.outbox.model_dump()),
    )
    try:
        refused = await wiring.application().state().import_(document)
    except MalformedStateError as error:
        raise refuse(400, str(error)) from error
    if isinstance(refused, StateRefusal):
        raise refuse(409, refused.value)
    return reply({"success": True, "message": "The state is as it was exported. An active session goes on."})
