"""Read specifications of the Container Device Interface: what a machine's driver calls its devices.

Format: https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from classroom.errors import ClassroomError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is there: NVIDIA's specifications have thousands of lines, 1 s in Python alone."""

_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z][A-Za-z0-9_-]*")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?")

_CARD = re.compile(r"/dev/nvidia\d+")
_INSTANCE = re.compile(r"/dev/nvidia-caps/.+")


@dataclass(frozen=True)
class CdiDevice:
    """A device under one of its names."""

    kind: str
    """Vendor and class, such as ``nvidia.com/gpu``."""
    name: str
    """Within the kind: an index, a UUID, "all"."""
    nodes: frozenset[str]
    """Device nodes of the host that a container gets, those of all devices of the file left out."""
    edits: str
    """All that the device changes in a container, as JSON with sorted keys."""

    @property
    def qualified(self) -> str:
        """The name by which an engine is asked for it."""
        return f"{self.kind}={self.name}"

    @property
    def cards(self) -> frozenset[str]:
        """NVIDIA's whole cards among the nodes."""
        return frozenset(node for node in self.nodes if _CARD.fullmatch(node))

    @property
    def is_instance(self) -> bool:
        """A MIG instance: a part of a card, told from others by its capability files."""
        return any(_INSTANCE.fullmatch(node) for node in self.nodes)

    @property
    def identity(self) -> str:
        """What two names of the same device have in common.

        The files that only this device has: a UUID and an index change the same in a container, but one name's list
        may have more that all share (``/dev/nvidiactl``). Without files, all that it changes.
        """
        own = [node for node in self.nodes if _CARD.fullmatch(node) or _INSTANCE.fullmatch(node)] or list(self.nodes)
        if own:
            return " ".join(sorted(own))
        if self.edits == "{}":
            return self.qualified
        return "edits " + hashlib.sha256(self.edits.encode()).hexdigest()[:16]


def parse_specification(text: str, *, is_yaml: bool) -> tuple[CdiDevice, ...]:
    """The devices of one specification.

    Raises:
        ClassroomError: what is wrong with it, without the file's name.
    """
    try:
        # The loader is a safe one, whichever of the two it is.
        data: Any = yaml.load(text, Loader=_Loader) if is_yaml else json.loads(text)  # noqa: S506
    except (ValueError, RecursionError) as error:
        raise ClassroomError(f"not valid JSON ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ClassroomError(f"not valid YAML ({where}{getattr(error, 'problem', None) or error})") from error
    if not isinstance(data, dict):
        raise ClassroomError("it is not an object")
    kind = data.get("kind")
    if not (isinstance(kind, str) and _KIND.fullmatch(kind)):
        raise ClassroomError(f"its kind is {_short(kind)} and not like nvidia.com/gpu")
    devices = data.get("devices")
    if not isinstance(devices, list):
        raise ClassroomError("it has no list of devices")
    found = tuple(_named(kind, device) for device in devices)
    names = [each.name for each in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ClassroomError(f"it names device {twice} twice")
    return found


def _named(kind: str, device: object) -> CdiDevice:
    if not isinstance(device, dict):
        raise ClassroomError(f"a device is {_short(device)} and not an object")
    name = device.get("name")
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)  # `name: 0` without quotes, as people write it; engines take it too
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ClassroomError(f"a device's name is {_short(name)}")
    edits = device.get("containerEdits")
    if not isinstance(edits, dict | None):
        raise ClassroomError(f"containerEdits of device {name} is {_short(edits)} and not an object")
    nodes = (edits or {}).get("deviceNodes") or []
    if not (isinstance(nodes, list) and all(isinstance(node, dict) for node in nodes)):
        raise ClassroomError(f"deviceNodes of device {name} is not a list of objects")
    paths = [node.get("hostPath") or node.get("path") for node in nodes]
    if not all(isinstance(path, str) and path for path in paths):
        raise ClassroomError(f"a device node of device {name} has no path")
    return CdiDevice(kind, name, frozenset(paths), json.dumps(edits or {}, sort_keys=True, default=str))


def _short(value: object) -> str:
    return "missing" if value is None else json.dumps(value, default=str)[:60]
