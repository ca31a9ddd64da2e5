"""The function app: composition only. Importing it indexes the functions and does nothing else."""

import azure.functions as func

from streaming.triggers import configuration, observe, stream, ticks

app = func.FunctionApp()

for module in (configuration, observe, stream, ticks):
    app.register_functions(module.blueprint)
