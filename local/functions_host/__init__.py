"""A Functions host for a laptop: runs a Python v2 function app as Azure Functions would.

``python -m local.functions_host --app-root . --port 8000`` or, from code, ``run(HostOptions(app_root=...))``.
``docs/architecture/local-host.md`` says what it honours of the platform, and where it differs.
"""

from local.functions_host.core_tools import CoreToolsMissingError, run_core_tools
from local.functions_host.options import HostOptions, StartupError
from local.functions_host.supervisor import run

__all__ = ["CoreToolsMissingError", "HostOptions", "StartupError", "run", "run_core_tools"]
