"""Keeps the status of timers of a minute and more in storage, so that a run missed while down is caught up."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceNotFoundError

from local.functions_host.storage import HOSTS_CONTAINER, StorageError, make_blob, reason
from local.functions_host.timer_request import ScheduleStatus

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient

_log = logging.getLogger("host.timers")


class ScheduleMonitor:
    """The status of one timer. Written by the holder of its lease only."""

    def __init__(self, service: BlobServiceClient, *, host_id: str, name: str) -> None:
        self._service = service
        self._blob = service.get_blob_client(HOSTS_CONTAINER, f"timers/{host_id}/Host.Functions.{name}/status")

    async def read(self) -> ScheduleStatus | None:
        """None when there is none, or storage can't tell."""
        try:
            content = await (await self._blob.download_blob()).readall()
            return ScheduleStatus.from_json(json.loads(content))
        except ResourceNotFoundError:
            return None
        except (StorageError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s can't be read: %s", self._blob.blob_name, reason(error))
            return None

    async def write(self, status: ScheduleStatus) -> None:
        """Does nothing but warn when storage can't be reached: the worst that follows is a run too many."""
        try:
            await make_blob(self._blob, self._service)
            await self._blob.upload_blob(json.dumps(status.to_json()), overwrite=True)
        except StorageError as error:
            _log.warning("%s can't be written: %s", self._blob.blob_name, reason(error))
