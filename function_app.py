"""The function app: composition only. Importing it indexes the functions and does nothing else."""

import azure.functions as func

from streaming.triggers import configuration, disruptions, observe, reference, stream, ticks

app = func.FunctionApp()

for module in (configuration, disruptions, observe, reference, stream, ticks):
    app.register_functions(module.blueprint)
