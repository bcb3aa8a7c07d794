from __future__ import annotations

import pytest

from classroom.spawner.report import read_stats, strip_escapes


def sample(used: int, cpu: int, machine: int, **details: int) -> dict[str, object]:
    return {
        "memory_stats": {"usage": used, "limit": 1000, "stats": details},
        "cpu_stats": {"cpu_usage": {"total_usage": cpu}, "system_cpu_usage": machine, "online_cpus": 4},
        "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
    }


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        (sample(500, 350, 2000, inactive_file=200), (300, 1000, 1.0)),
        (sample(500, 100, 2000, total_inactive_file=100), (400, 1000, 0.0)),
        (sample(100, 100, 1000, inactive_file=200), (0, 1000, None)),
        ({"memory_stats": {}, "cpu_stats": {}, "precpu_stats": {}}, (None, None, None)),
        ({}, (None, None, None)),
    ],
    ids=["cgroup v2", "cgroup v1", "no time passed", "it has just ended", "nothing"],
)
def test_the_engines_figures_give_used_memory_and_cores(
    stats: dict[str, object], expected: tuple[int | None, int | None, float | None]
) -> None:
    assert read_stats(stats) == expected


@pytest.mark.attack(61)
def test_a_log_cannot_control_the_terminal() -> None:
    text = "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\ttab\r\nnext\x9b5n\x08 line\n"
    assert strip_escapes(text) == "0;titlered\ttab\nnext5n line\n"
