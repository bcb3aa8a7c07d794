"""Settings of a class, and the requests that its hub makes."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from classroom.docker.container import GROUPS, Order, create_arguments
from classroom.engine_filter.create import engine_body
from classroom.gpus.cdi import parse_specification
from classroom.gpus.inventory import Inventory, discover
from classroom.gpus.leases import lease_labels
from classroom.settings.groups import student_rules
from classroom.settings.models import Settings

CDI = """
{"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [
  {"name": "0", "containerEdits": {"env": ["A=0"]}}, {"name": "1", "containerEdits": {"env": ["A=1"]}}]}
"""


def settings(**changes: Any) -> Settings:
    """Return the settings of a class with a group."""
    base: dict[str, Any] = {
        "images": {"vision": "classroom-vision:2"},
        "groups": {
            "ml": {"image": "vision", "memory": "8G", "shared": ["/srv/data/faces"], "environment": {"HF_HOME": "/x"}}
        },
    }
    return Settings.model_validate(base | changes)


def order(**changes: Any) -> Order:
    """Return what the spawner orders for a student without a GPU."""
    values: dict[str, Any] = {
        "name": "classroom-7",
        "user": "ada",
        "home": "classroom-home-ada",
        "environment": {"JUPYTERHUB_API_TOKEN": "t0ken", "JUPYTERHUB_USER": "ada", "CLASSROOM_KERNEL_IDLE": "3600"},
        "labels": lease_labels((), (), "none") | {GROUPS: ""},
        "address": IPv4Address("10.213.0.9"),
    }
    return Order(**(values | changes))


def body(of: Settings, groups: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """Return the body that Docker's client sends for a student's container."""
    rules = student_rules(of, groups)
    names = changes.get("devices", ())
    labels = lease_labels(names, names, rules.gpu.policy) | {GROUPS: ",".join(rules.groups)}
    made = order(**({"labels": labels, "shared": rules.shared} | changes))
    return engine_body(create_arguments(made, rules.student, of.network))


def inventory() -> Inventory:
    """Return two GPUs."""
    return discover(parse_specification(CDI, is_yaml=False))
