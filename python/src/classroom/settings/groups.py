"""What holds for a student who is in groups: a pure function of the settings and the groups' names.

Of several groups the one with the highest priority decides, and among equals the first in the alphabet: key by key,
variable by variable, the GPUs' keys together (rules of one group are never mixed with another's). Shared folders add
up. What no group says is as for everyone. Not the order in the file: an object of JSON or Nix has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from classroom.settings.models import Gpu, Group, GroupGpu, Settings, Student

_LIMITS = ("cpus", "memory", "shared_memory", "tmp", "processes")
_SYSTEM = ("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/var/lib/docker", "/var/run")
"""What no student reads: sockets and secrets of the machine. Nothing in them is shared, nor what holds them."""


@dataclass(frozen=True)
class Effective:
    """What holds for one student."""

    student: Student
    gpu: Gpu
    shared: tuple[Path, ...] = ()
    """Folders of the machine, by their own names, each once."""
    groups: tuple[str, ...] = ()
    """The groups that the settings name and the student is in; who decides comes first."""


def membership(settings: Settings, name: str, in_hub: Collection[str] = ()) -> tuple[str, ...]:
    """The groups of the settings that an account is in.

    Args:
        settings: of the class.
        name: of the account.
        in_hub: JupyterHub's groups that it is in. Those that the settings do not name mean nothing here.
    """
    return tuple(group for group, what in settings.groups.items() if name in what.members or group in in_hub)


def named(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The accounts that the settings themselves put into groups."""
    return {group: what.members for group, what in settings.groups.items()}


def effective(settings: Settings, groups: Iterable[str]) -> Effective:
    """What holds for a student of these groups of the settings."""
    names = sorted(set(groups), key=lambda name: (-settings.groups[name].priority, name))
    found = [settings.groups[name] for name in names]
    change: dict[str, Any] = {}
    for group in reversed(found):
        change |= {key: value for key in _LIMITS if (value := getattr(group, key)) is not None}
        if group.image is not None:
            change["image"] = settings.images.get(group.image, group.image)
        change["environment"] = change.get("environment", settings.student.environment) | group.environment
    rules = next((group.gpu for group in found if _says(group.gpu)), None)
    return Effective(
        student=settings.student.model_copy(update=change),
        gpu=settings.gpu if rules is None else gpu_of(settings.gpu, rules),
        shared=tuple(dict.fromkeys(path for group in found for path in group.shared)),
        groups=tuple(names),
    )


def class_of(settings: Settings, group: str) -> Settings:
    """The class as if everybody had what this group has.

    Raises:
        ClassroomError: the settings name no such group.
    """
    if group not in settings.groups:
        known = ", ".join(settings.groups) or "none"
        raise ClassroomError(f"groups.{group}: the settings name no such group; known: {known}")
    found = effective(settings, [group])
    return settings.model_copy(update={"student": found.student, "gpu": found.gpu})


def gpu_of(site: Gpu, own: GroupGpu) -> Gpu:
    """The site's rules for GPUs with a group's own in their place."""
    told = _says(own)
    if told.get("policy", site.policy) in {"none", "all"}:
        told.setdefault("devices", ())  # the site's are for rules that take some
    return site.model_copy(update=told)


def gpu_rules(settings: Settings) -> dict[str, Gpu]:
    """All rules for GPUs that hold for somebody, by their places in the settings; everyone's come first."""
    groups = {f"groups.{name}.gpu": group.gpu for name, group in settings.groups.items() if _says(group.gpu)}
    return {"gpu": settings.gpu} | {where: gpu_of(settings.gpu, own) for where, own in groups.items()}


def hands_out_gpus(settings: Settings) -> bool:
    """Whether anybody may have a GPU."""
    return any(gpu.policy != "none" for gpu in gpu_rules(settings).values())


def images(settings: Settings) -> tuple[str, ...]:
    """What the engine calls the images that servers are started from; everyone's comes first."""
    own = (effective(settings, [name]).student.image for name in settings.groups)
    return tuple(dict.fromkeys((settings.student.image, *own)))


def mistakes(settings: Settings) -> list[str]:
    """What groups ask for that cannot be: by its place, with what to write instead."""
    said = []
    for name, group in settings.groups.items():
        where = f"groups.{name}"
        said += [f"{where}.image: {mistake}" for mistake in _of_image(group, settings)]
        said += [f"{where}.gpu: {mistake}" for mistake in _of_gpu(group, settings)]
        for path in group.shared:
            said += [f"{where}.shared: {path} {mistake}" for mistake in _of_folder(path, settings)]
    return said + list(_of_same_names(settings))


def _says(gpu: GroupGpu) -> dict[str, Any]:
    return {key: value for key, value in gpu if value is not None}


def _of_image(group: Group, settings: Settings) -> Iterator[str]:
    image = group.image
    if image is None or image in settings.images or re.search(r"[:@]", image):
        return
    close = get_close_matches(image, settings.images, n=1)
    known = f"did you mean {close[0]}?" if close else f"images has {', '.join(settings.images) or 'none'}."
    yield f'no image is called {image}; {known} For one that the engine has write its tag too, such as "{image}:latest"'


def _of_gpu(group: Group, settings: Settings) -> Iterator[str]:
    rules = gpu_of(settings.gpu, group.gpu)
    for key, value, policy in (
        ("perStudent", group.gpu.per_student, "exclusive"),
        ("studentsPerDevice", group.gpu.students_per_device, "shared"),
    ):
        if value is not None and rules.policy != policy:
            yield f'{key} is for policy "{policy}", and the policy here is "{rules.policy}": write policy = "{policy}"'
    named = len(rules.devices)
    if _says(group.gpu) and rules.policy == "exclusive" and 0 < named < rules.per_student:
        yield (
            f"perStudent is {rules.per_student} and devices names {named}: nobody could have so many. Write "
            f"perStudent = {named} or name more devices"
        )
    try:
        type(rules).model_validate(rules.model_dump())
    except ValidationError as error:
        yield from (item["msg"].removeprefix("Value error, ") for item in error.errors())


def _of_folder(path: Path, settings: Settings) -> Iterator[str]:
    if not path.is_absolute() or ".." in path.parts:
        yield 'must begin at the root: write shared = ["/srv/data"]'
        return
    own = [settings.paths.state, settings.paths.runtime, settings.storage.path]
    for place in (*map(PurePath, _SYSTEM), *(each for each in own if each is not None)):
        if path.is_relative_to(place) or place.is_relative_to(path):
            yield f"would show students {place}: share a folder that holds nothing but what they may read"
            return


def _of_same_names(settings: Settings) -> Iterator[str]:
    folders = dict.fromkeys((name, path) for name, group in settings.groups.items() for path in group.shared)
    for (earlier, other), (name, path) in combinations(folders, 2):
        if path.name == other.name and path != other:
            yield (
                f"groups.{name}.shared: {path} would be shared/{path.name}, as {other} of groups.{earlier} is: give "
                "one of the folders another name"
            )
