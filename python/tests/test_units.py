from __future__ import annotations

import io

import pytest
from rich.console import Console

from classroom.gpus.report import Report as GpuReport
from classroom.gpus.report import Row as GpuRow
from classroom.settings.models import Settings
from classroom.spawner.report import ServerStatus
from classroom.storage.report import HomeContents, HomeRow, StorageReport
from classroom.units import format_bytes, format_duration, format_percent, write_bytes

M, G, T = 1024**2, 1024**3, 1024**4


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, ""),
        (0, "0"),
        (999, "999"),
        (2048, "2K"),
        (1_600_000, "1.5M"),
        (512 * M, "512M"),
        (1000 * M, "1000M"),
        (1000 * M + 1, "1G"),
        (G, "1G"),
        (G + 52 * M, "1.1G"),
        (20 * G, "20G"),
        (81_559 * M, "79.6G"),
        (80 * 10**9, "74.5G"),
        (123 * G + 400 * M, "123G"),
        (3 * T, "3T"),
        (2000 * T, "2000T"),
    ],
)
def test_sizes_are_shown_as_the_settings_write_them(size: int | None, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize("text", ["512M", "1000M", "1G", "8G", "20G", "2T"])
def test_a_size_in_the_settings_is_shown_as_it_was_written(text: str) -> None:
    size = Settings.model_validate({"storage": {"kind": "directory", "path": "/homes", "quota": text}}).storage.quota
    assert size is not None
    assert format_bytes(size) == write_bytes(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-9999, "0 min"), (59, "0 min"), (60, "1 min"), (3600, "1 h 0 min"), (7500, "2 h 5 min"), (100_000, "1 d 3 h")],
)
def test_a_duration_is_shown_as_people_say_it(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("part", "text"), [(None, ""), (0.0, "0%"), (0.254, "25%"), (1.0, "100%")])
def test_a_share_is_a_percentage(part: float | None, text: str) -> None:
    assert format_percent(part) == text


def test_a_limit_of_8g_is_8g_in_servers_storage_and_gpus() -> None:
    limit = Settings.model_validate({"student": {"memory": "8G"}}).student.memory
    server = ServerStatus("ada", "running", None, None, None, memory=limit // 2, memory_limit=limit)
    assert server.memory_shown == "4G of 8G"
    assert GpuRow("0", ("nvidia.com/gpu=0",), memory_used=limit // 2, memory_total=limit).memory == "4G of 8G"
    console = Console(file=io.StringIO(), width=100)
    console.print(
        StorageReport(
            "directory", (HomeRow("ada", "home", HomeContents(limit // 2, 4, None, limit)),), free=None
        ).as_table()
    )
    console.print(
        GpuReport("shared", (GpuRow("0", (), model="H100", memory_used=0, memory_total=limit),), ()).as_table()
    )
    assert isinstance(console.file, io.StringIO)
    storage, gpus = console.file.getvalue().split("GPU")
    assert ("4G" in storage.split(), "8G" in storage.split(), "of 8G" in gpus) == (True, True, True)
