"""The JSON properties of Azure resources that azmcp does not know (well), from Microsoft's management SDKs.

Runs in the environment that requirements/tools.txt describes. Prints {resource type: schema}; a schema is
{"properties": {name: schema}}, {"items": schema}, {"values": schema} for a map, {"enum": [...]} or {} for anything.
"""

from __future__ import annotations

import enum
import json
import re
import sys
import typing
from importlib import import_module
from typing import Any, Final

# Installed in this program's own environment only, so unknown to a type checker.
monitor: Any = import_module("azure.mgmt.monitor.models")
dns_models: Any = import_module("azure.mgmt.privatedns.models")
dns_types: Any = import_module("azure.mgmt.privatedns.types")
web_models: Any = import_module("azure.mgmt.web.models")
web_types: Any = import_module("azure.mgmt.web.types")

MAPPED: Final = {
    "Microsoft.Insights/scheduledQueryRules": "ScheduledQueryRuleResource",
    "Microsoft.Insights/metricAlerts": "MetricAlertResource",
    "Microsoft.Insights/actionGroups": "ActionGroupResource",
    "Microsoft.Insights/diagnosticSettings": "DiagnosticSettingsResource",
}
TYPED: Final = {
    "Microsoft.Web/sites": (web_types.Site, web_types, web_models),
    "Microsoft.Web/serverfarms": (web_types.AppServicePlan, web_types, web_models),
    "Microsoft.Network/privateDnsZones": (dns_types.PrivateZone, dns_types, dns_models),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": (dns_types.VirtualNetworkLink, dns_types, dns_models),
}


def mapped(kind: str) -> dict[str, Any]:
    """``kind`` is a type as older SDKs write it: ``[Model]``, ``{Model}``, ``Model`` or a scalar."""
    if kind.startswith("["):
        return {"items": mapped(kind[1:-1])}
    if kind.startswith("{"):
        return {"values": mapped(kind[1:-1])}
    model = getattr(monitor, kind, None)
    if model is None or not hasattr(model, "_attribute_map"):
        return {}
    properties: dict[str, Any] = {}
    for variant in (model, *_variants(model)):
        for attribute in variant._attribute_map.values():  # the only description of the wire format
            *parents, name = [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", attribute["key"])]
            place = properties
            for parent in parents:
                place = place.setdefault(parent, {"properties": {}})["properties"]
            place.setdefault(name, mapped(attribute["type"]))
    properties.pop("", None)  # "and anything else", which would check nothing
    return {"properties": properties}


def _variants(model: Any) -> list[Any]:
    """The models that a discriminator chooses between."""
    names = [name for choice in vars(model).get("_subtype_map", {}).values() for name in choice.values()]
    return [deeper for name in names for deeper in (getattr(monitor, name), *_variants(getattr(monitor, name)))]


def typed(hint: Any, types: Any, models: Any, inside: tuple[Any, ...] = ()) -> dict[str, Any]:
    """``hint`` is a type as the newer SDKs' TypedDicts write it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return {"items": typed(arguments[0], types, models, inside)}
    if origin is dict:
        return {"values": typed(arguments[1], types, models, inside)}
    if origin is typing.Union:
        enums = [one for one in arguments if isinstance(one, type) and issubclass(one, enum.Enum)]
        return {"enum": [member.value for one in enums for member in one]} if enums else {}
    if not hasattr(hint, "__total__") or hint in inside:  # a TypedDict, of typing or of typing_extensions
        return {}
    hints = typing.get_type_hints(hint, globalns={**vars(models), **vars(types)})
    return {"properties": {name: typed(one, types, models, (*inside, hint)) for name, one in hints.items()}}


described = {resource: mapped(model) for resource, model in MAPPED.items()}
described |= {resource: typed(*known) for resource, known in TYPED.items()}
json.dump(described, sys.stdout)
