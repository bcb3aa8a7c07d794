"""Grafana dashboard: the hub and the exporters have its metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jupyterhub.metrics  # noqa: F401 - it registers its figures
from prometheus_client import REGISTRY

import classroom.gpus.metrics  # noqa: F401 - as above

BOARD = Path(__file__).parents[2] / "modules/grafana/classroom.json"
EXPORTERS = {
    # https://github.com/prometheus/node_exporter
    "node_cpu_seconds_total", "node_filesystem_avail_bytes", "node_filesystem_size_bytes",
    "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes",
    # https://github.com/nginx/nginx-prometheus-exporter, of stub_status
    "nginx_connections_active", "nginx_http_requests_total",
}  # fmt: skip


def described() -> set[str]:
    """Return the names of metrics at /hub/metrics: counters have a suffix there, histograms three."""
    found: set[str] = set()
    for metric in REGISTRY.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(metric.type, ("",))
        found |= {metric.name + suffix for suffix in suffixes}
    return found


def test_every_metric_of_the_dashboard_exists() -> None:
    panels = json.loads(BOARD.read_text())["panels"]
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"\b(?:classroom|jupyterhub|node|nginx)_\w+", target["expr"])
    }
    assert len(panels) > 10
    assert asked - described() - EXPORTERS == set()


def test_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in json.loads(BOARD.read_text())["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
