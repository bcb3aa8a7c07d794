"""CDI specifications: the names of a machine's devices in the files of its driver (Container Device Interface).

Format: https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError, model_validator

from classroom.errors import ClassroomError
from classroom.validation import message

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's loader where it exists: NVIDIA's specifications have thousands of lines, 1 s in Python alone."""
_DEEPEST = 50
"""Levels of a specification; the format has seven."""

_KIND = r"^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z][A-Za-z0-9_-]*$"
_NAME = r"^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$"

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
    """Device nodes of the host for the container, without those that the file gives to every device."""
    edits: str
    """All changes that the device makes to a container, as JSON with sorted keys."""

    @property
    def qualified(self) -> str:
        """Return the name in a request to the engine."""
        return f"{self.kind}={self.name}"

    @property
    def cards(self) -> frozenset[str]:
        """Return NVIDIA's undivided cards among the nodes."""
        return frozenset(node for node in self.nodes if _CARD.fullmatch(node))

    @property
    def is_instance(self) -> bool:
        """Return whether it is a MIG instance: a part of a card with capability files of its own."""
        return any(_INSTANCE.fullmatch(node) for node in self.nodes)

    @property
    def identity(self) -> str:
        """Return the value that all names of the same device have in common.

        These are the files that only this device has. A UUID and an index make the same changes, but one name's list
        may have more files that all devices share (``/dev/nvidiactl``). Without files, it is all changes together.
        """
        nodes = [node for node in self.nodes if _CARD.fullmatch(node) or _INSTANCE.fullmatch(node)] or list(self.nodes)
        if nodes:
            return " ".join(sorted(nodes))
        if self.edits == "{}":
            return self.qualified
        return "edits " + hashlib.sha256(self.edits.encode()).hexdigest()[:16]


def _integer_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class _Node(BaseModel):
    model_config = ConfigDict(extra="allow")

    path: str = ""
    host_path: str | None = Field(default=None, alias="hostPath")

    @model_validator(mode="after")
    def _has_path(self) -> Self:
        if not (self.host_path or self.path):
            raise ValueError("it has no path")
        return self


class _Edits(BaseModel):
    """What a device changes in a container; unknown keys are part of it."""

    model_config = ConfigDict(extra="allow")

    device_nodes: Annotated[list[_Node] | None, FailFast()] = Field(default=None, alias="deviceNodes")


class _Device(BaseModel):
    # `name: 0` without quotes, as people write it; engines accept it too.
    name: Annotated[str, Field(pattern=_NAME), BeforeValidator(_integer_as_text)]
    edits: _Edits | None = Field(default=None, alias="containerEdits")

    def in_kind(self, kind: str) -> CdiDevice:
        """Return the device under its full name."""
        edits = self.edits or _Edits()
        changes = edits.model_dump(by_alias=True, exclude_unset=True)
        nodes = frozenset(node.host_path or node.path for node in edits.device_nodes or ())
        return CdiDevice(kind, self.name, nodes, json.dumps(changes, sort_keys=True, default=str))


class _Specification(BaseModel):
    """One file; unknown keys of later versions are ignored."""

    kind: str = Field(pattern=_KIND)
    devices: Annotated[list[_Device], FailFast()]


def parse_specification(text: str, *, is_yaml: bool) -> tuple[CdiDevice, ...]:
    """Return the devices of one specification.

    Raises:
        ClassroomError: what is wrong with it, without the file's name.
    """
    try:
        if is_yaml:
            _refuse_deep_nesting(text)
        # The loader is a safe one in both cases.
        data: Any = yaml.load(text, Loader=_Loader) if is_yaml else json.loads(text)  # noqa: S506
        specification = _Specification.model_validate(data)
    except ValidationError as error:
        raise ClassroomError(_first_problem(error)) from error
    except (ValueError, RecursionError) as error:
        raise ClassroomError(f"not valid JSON ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        location = f"line {mark.line + 1}: " if mark else ""
        raise ClassroomError(f"not valid YAML ({location}{getattr(error, 'problem', None) or error})") from error
    counts = Counter(device.name for device in specification.devices)
    if twice := next((name for name, count in counts.items() if count > 1), None):
        raise ClassroomError(f"it names device {twice} twice")
    return tuple(device.in_kind(specification.kind) for device in specification.devices)


def _refuse_deep_nesting(text: str) -> None:
    """Raise ClassroomError where the loader, which is recursive and in C, would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ClassroomError(f"not valid YAML (more than {_DEEPEST} levels)")


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    field = ".".join(map(str, problem["loc"])) or "it"
    if problem["type"] == "missing":
        return f"{field} is missing"
    expected = {
        "model_type": "an object",
        "list_type": "a list",
        "string_type": "a name",
        "string_pattern_mismatch": "like nvidia.com/gpu" if field == "kind" else "a name",
    }.get(problem["type"])
    if expected is None:
        return f"{field}: {message(problem)}"
    return f"{field} is {json.dumps(problem['input'], default=str)[:60]} and not {expected}"
