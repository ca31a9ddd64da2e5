"""The function app: composition only. Importing it indexes the functions and does nothing else."""

import azure.functions as func

from streaming.triggers import (
    configuration,
    dashboard,
    dead_letters,
    disruptions,
    documentation,
    hub,
    observe,
    outbox,
    reference,
    state,
    stream,
    ticks,
    watch,
)

app = func.FunctionApp()

for module in (
    configuration,
    dashboard,
    dead_letters,
    disruptions,
    documentation,
    hub,
    observe,
    outbox,
    reference,
    state,
    stream,
    ticks,
    watch,
):
    app.register_functions(module.blueprint)
