"""Routes that show and change the configuration."""

from __future__ import annotations

from typing import Any

import azure.functions as func

from streaming import wiring
from streaming.flows.control import ImpossibleWorldError, Refusal
from streaming.flows.validation import validate_config
from streaming.triggers.http import answers, body_of, query_of, refuse, reply, within_limit
from streaming.triggers.requests import ConfigBody, ConnectionBody, NoQuery

blueprint = func.Blueprint()


@blueprint.function_name("config_get")
@blueprint.route(route="api/stream/config", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def get_config(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    return reply(await _in_force(wiring.application()))


@blueprint.function_name("config_put")
@blueprint.route(route="api/stream/config", methods=["PUT"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def put_config(req: func.HttpRequest) -> func.HttpResponse:
    update = body_of(req, ConfigBody).update()
    if "azure_connection_string" in update:
        raise refuse(400, "azure_connection_string is a secret: set AZURE_EVENTHUB_CONNECTION_STRING instead.")
    app = wiring.application()
    try:
        changed = await app.control().configure(update)
    except ImpossibleWorldError as error:
        raise refuse(400, str(error)) from error
    if isinstance(changed, Refusal):
        raise refuse(409, changed.value)
    return reply(
        {
            "success": True,
            "message": f"{len(update)} settings changed. A running stream follows within three seconds"
            f"{', with another number of shards in about ten' if 'shards' in update else ''}.",
            "config": await _in_force(app),
        }
    )


@blueprint.function_name("config_validate")
@blueprint.route(route="api/config/validate", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def validate(req: func.HttpRequest) -> func.HttpResponse:
    """Judge a configuration without setting it: keys that are wrong are the answer, not an error."""
    update = body_of(req, ConfigBody).update()
    await within_limit("validation")
    app = wiring.application()
    return reply(validate_config(update, view=await app.view(), world=app.world_size))


@blueprint.function_name("connection_validate")
@blueprint.route(route="api/stream/validate-connection", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def validate_connection(req: func.HttpRequest) -> func.HttpResponse:
    """Judge a connection string without using it."""
    body = body_of(req, ConnectionBody)
    await within_limit("validation")
    return reply(wiring.application().judge_connection(body.connection_string, event_hub=body.event_hub))


async def _in_force(app: wiring.Application) -> dict[str, Any]:
    return app.in_force(await app.view())
