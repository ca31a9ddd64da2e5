"""Puts one worker's host together: the app's functions, and what feeds them."""

from __future__ import annotations

import hashlib
import logging
import platform
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeVar

from local.functions_host.admin import AdminApi
from local.functions_host.bindings import HttpTrigger, QueueTrigger, TimerTrigger
from local.functions_host.cors import CorsPolicy, read_origins
from local.functions_host.http import HttpApp, Route, route_of
from local.functions_host.keys import load_keys, parse_keys
from local.functions_host.outputs import OutputSender
from local.functions_host.queues import QueueListener
from local.functions_host.running import FunctionRunner
from local.functions_host.schedule import parse_schedule
from local.functions_host.schedule_monitor import ScheduleMonitor
from local.functions_host.settings import SettingMissingError
from local.functions_host.singleton import Singleton
from local.functions_host.storage import blob_service, queue_service
from local.functions_host.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.functions_host.host_json import HostConfiguration
    from local.functions_host.indexing import IndexedFunction
    from local.functions_host.invocation import Invoker
    from local.functions_host.options import HostOptions
    from local.functions_host.schedule import Schedule
    from local.functions_host.settings import AppSettings, LocalSettings

_log = logging.getLogger("host")


class _Closeable(Protocol):
    async def close(self) -> None: ...


_Service = TypeVar("_Service", bound=_Closeable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    http: HttpApp
    background: tuple[Timer | QueueListener, ...]
    admin: AdminApi
    resources: AsyncExitStack
    """Closes the storage clients."""


def host_id_of(app_root: Path, settings: AppSettings) -> str:
    """Names this app's locks in storage. The same for every host of this folder on this machine."""
    given = settings.get("AzureFunctionsWebHost__hostid")
    if given:
        return given.lower()
    machine = re.sub("[^a-z0-9]", "", platform.node().lower())[:16] or "local"
    return f"{machine}-{hashlib.sha256(str(app_root).encode()).hexdigest()[:12]}"


class _Composer:
    """What the parts of one host share. A function that can't be served is in error; the others go on."""

    def __init__(self, settings: AppSettings, configuration: HostConfiguration, invoker: Invoker, host_id: str) -> None:
        self._settings = settings
        self._configuration = configuration
        self._host_id = host_id
        self.resources = AsyncExitStack()
        self.routes: list[Route] = []
        self.background: list[Timer | QueueListener] = []
        self.errors: dict[str, str] = {}
        outputs = OutputSender(settings, base64_encoded=configuration.queues.base64, sent=self._wake_listeners)
        self.resources.push_async_callback(outputs.close)
        self.runner = FunctionRunner(invoker=invoker, outputs=outputs)
        self._blobs = cache(self._kept(blob_service))
        self._queues = cache(self._kept(queue_service))

    def add(self, function: IndexedFunction) -> None:
        try:
            match function.trigger:
                case HttpTrigger() as trigger:
                    self.routes.append(route_of(function, trigger, self._configuration.route_prefix))
                case TimerTrigger() as trigger:
                    self.background.append(self._timer(function, trigger))
                case QueueTrigger() as trigger:
                    self.background.append(self._listener(function, trigger))
        except (SettingMissingError, ValueError) as error:
            self.errors[function.name] = str(error)
            _log.error("The function %s is in error: %s", function.name, error)

    def _timer(self, function: IndexedFunction, trigger: TimerTrigger) -> Timer:
        blobs = self._blobs(self._settings.storage_connection("AzureWebJobsStorage"))
        return Timer(
            function=function,
            schedule=self._schedule(trigger.schedule),
            run_on_startup=trigger.run_on_startup,
            right=Singleton(blobs, host_id=self._host_id, name=f"Host.Functions.{function.name}.Listener"),
            monitor=ScheduleMonitor(blobs, host_id=self._host_id, name=function.name) if trigger.use_monitor else None,
            runner=self.runner,
        )

    def _schedule(self, text: str) -> Schedule:
        resolved = self._settings.resolve(text)
        try:
            return parse_schedule(resolved)
        except ValueError as error:
            raise ValueError(f"its schedule {text}: {error}" if text != resolved else str(error)) from error

    def _listener(self, function: IndexedFunction, trigger: QueueTrigger) -> QueueListener:
        return QueueListener(
            function=function,
            queue_name=self._settings.resolve(trigger.queue).lower(),
            service=self._queues(self._settings.storage_connection(trigger.connection)),
            options=self._configuration.queues,
            runner=self.runner,
        )

    def _wake_listeners(self, queue_name: str) -> None:
        for listener in self.background:
            if isinstance(listener, QueueListener) and listener.queue_name == queue_name:
                listener.wake()

    def _kept(self, make: Callable[[str], _Service]) -> Callable[[str], _Service]:
        def made(connection: str) -> _Service:
            service = make(connection)
            self.resources.push_async_callback(service.close)
            return service

        return made


def compose(
    functions: list[IndexedFunction],
    *,
    options: HostOptions,
    local_settings: LocalSettings,
    settings: AppSettings,
    configuration: HostConfiguration,
    invoker: Invoker,
    base_url: str,
) -> Host:
    """Raises StartupError for a keys file that is not well-formed. No network yet."""
    host_id = host_id_of(options.app_root, settings)
    composer = _Composer(settings, configuration, invoker, host_id)
    disabled = {function.name for function in functions if settings.is_disabled(function.name)}
    for function in functions:
        if function.name not in disabled:
            composer.add(function)
    for name in sorted(disabled):
        _log.info("%s is disabled by its setting", name)
    keys = None
    if options.auth:
        keys = (
            parse_keys(local_settings.keys, f"{options.settings_path}: Host.Keys")
            if local_settings.keys is not None
            else load_keys(options.data_path)
        )
    admin = AdminApi(
        functions,
        disabled=disabled,
        errors=composer.errors,
        host_id=host_id,
        base_url=base_url,
        route_prefix=configuration.route_prefix,
        runner=composer.runner,
    )
    return Host(
        http=HttpApp(
            composer.routes,
            runner=composer.runner,
            admin=admin,
            cors=CorsPolicy(
                # In Azure the deployment sets the site's CORS from the same setting.
                origins=(*local_settings.cors_origins, *read_origins(settings.get("ALLOWED_ORIGINS"))),
                credentials=local_settings.cors_credentials,
            ),
            keys=keys,
        ),
        background=tuple(composer.background),
        admin=admin,
        resources=composer.resources,
    )
