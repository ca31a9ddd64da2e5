"""The launcher starts the real Azurite, and stops it without losing a write or leaving a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient

from local.azurite import Azurite, StoragePorts
from local.errors import LocalError
from local.stack.ports import free_ports
from tests.processes import process_runs

if TYPE_CHECKING:
    from pathlib import Path


def test_tables_queues_and_blobs_answer_the_real_sdks(azurite: Azurite) -> None:
    with TableServiceClient.from_connection_string(azurite.connection_string) as tables:
        table = tables.create_table_if_not_exists("launcher")
        table.upsert_entity({"PartitionKey": "p", "RowKey": "r", "value": 1})
        assert table.get_entity("p", "r")["value"] == 1
    with QueueClient.from_connection_string(azurite.connection_string, "launcher") as queue:
        queue.create_queue()
        queue.send_message("hello")
        assert [message.content for message in queue.receive_messages()] == ["hello"]
    with BlobServiceClient.from_connection_string(azurite.connection_string) as blobs:
        container = blobs.create_container("launcher")
        container.upload_blob("b", b"bytes")
        assert container.download_blob("b").readall() == b"bytes"


def test_a_restart_keeps_the_ports_and_every_write(tmp_path: Path) -> None:
    blob, queue, table = free_ports(3)  # Not of those that outgoing connections are given while it is stopped.
    before = StoragePorts(blob=blob, queue=queue, table=table)
    with (
        Azurite(location=tmp_path / "data", log_path=tmp_path / "log", ports=before) as azurite,
        TableServiceClient.from_connection_string(azurite.connection_string) as tables,
    ):
        tables.create_table("kept").create_entity({"PartitionKey": "p", "RowKey": "r"})
        azurite.restart()
        assert azurite.ports == before
        assert tables.get_table_client("kept").get_entity("p", "r")["RowKey"] == "r"


def test_a_taken_port_is_said_in_one_line(azurite: Azurite, tmp_path: Path) -> None:
    second = Azurite(log_path=tmp_path / "log", ports=StoragePorts(table=azurite.ports.table))
    with pytest.raises(LocalError, match=f"EADDRINUSE.*{azurite.ports.table}"):
        second.start()
    assert second.pid is None


_STARTS_AZURITE_AND_WAITS = """
import sys, pathlib
from local.azurite import Azurite
azurite = Azurite(log_path=pathlib.Path(sys.argv[1]) / "log")
azurite.start()
print(azurite.pid, flush=True)
sys.stdin.read()
"""


def test_a_kill_of_the_parent_leaves_no_azurite_behind(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: S603  (the command is ours)
        [sys.executable, "-c", _STARTS_AZURITE_AND_WAITS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert process_runs(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    while process_runs(child):
        pass
