"""Routes that cause trouble on purpose, and end it."""

from __future__ import annotations

import azure.functions as func

from shared.clock import to_iso
from streaming import wiring
from streaming.flows.disruptions import TooManyDisruptionsError
from streaming.retail.disruption import UnknownProductError, UnknownTargetError
from streaming.triggers.http import answers, body_of, query_of, refuse, reply, within_limit
from streaming.triggers.requests import DisruptionBody, NoQuery

blueprint = func.Blueprint()


@blueprint.function_name("disruption_create")
@blueprint.route(route="api/disruption/create", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def create(req: func.HttpRequest) -> func.HttpResponse:
    body = body_of(req, DisruptionBody)
    await within_limit("disruption")
    app = wiring.application()
    try:
        disruption = await app.disruptions().create(
            await app.world(),
            disruption_type=body.disruption_type,
            target_id=body.target_id,
            severity=body.severity,
            duration_minutes=body.duration_minutes,
            product_ids=tuple(body.product_ids),
        )
    except (UnknownTargetError, UnknownProductError) as error:
        raise refuse(400, f"{error}.") from error
    except TooManyDisruptionsError as error:
        raise refuse(409, str(error)) from error
    return reply(
        {
            "success": True,
            "disruption_id": disruption.id,
            "message": f"{disruption.type.value} at {disruption.target_id} takes effect within about three seconds.",
            "active_until": to_iso(disruption.active_until_us),
        }
    )


@blueprint.function_name("disruption_list")
@blueprint.route(route="api/disruption/list", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def list_all(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    app = wiring.application()
    view = await app.view()
    disruptions = await app.disruptions().list(view.disrupted)
    return reply({"disruptions": disruptions, "count": len(disruptions), "timestamp": to_iso(view.now_us)})


@blueprint.function_name("disruption_delete")
@blueprint.route(route="api/disruption/{disruption_id}", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def delete(req: func.HttpRequest) -> func.HttpResponse:
    query_of(req, NoQuery)
    disruption_id = req.route_params["disruption_id"]
    if not await wiring.application().disruptions().end(disruption_id):
        raise refuse(404, f"There is no disruption {disruption_id}.")
    return reply({"success": True, "disruption_id": disruption_id, "message": "The disruption has ended."})


@blueprint.function_name("disruption_clear_all")
@blueprint.route(route="api/disruption/clear-all", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def clear_all(req: func.HttpRequest) -> func.HttpResponse:
    body_of(req, NoQuery)
    cleared = await wiring.application().disruptions().end_all()
    ended = "1 disruption has ended." if cleared == 1 else f"{cleared} disruptions have ended."
    return reply({"success": True, "message": ended, "cleared": cleared})
