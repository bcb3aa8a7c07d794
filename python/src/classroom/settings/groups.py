"""Rules of students who are in groups: pure functions of the settings and the names of groups.

If a student is in several groups, the group with the highest priority decides; among equals the alphabetically first.
This holds for each key and each variable, and for all keys of `gpu` together: GPU rules of two groups are never mixed.
Shared folders add up. Where no group sets a key, the setting of all students holds. The order in the file does not
count, because objects of JSON and Nix have no order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from classroom.settings.models import Gpu, Settings, Student

_LIMITS = ("cpus", "memory", "shared_memory", "tmp", "processes")


@dataclass(frozen=True)
class StudentRules:
    """The settings that hold for one student."""

    student: Student
    gpu: Gpu
    shared: tuple[Path, ...] = ()
    """Shared folders of the machine, each once."""
    groups: tuple[str, ...] = ()
    """The student's groups that the settings name; the one that decides comes first."""


def groups_of_account(settings: Settings, name: str, in_hub: Collection[str] = ()) -> tuple[str, ...]:
    """Return the groups of the settings that an account is in.

    Args:
        settings: of the class.
        name: of the account.
        in_hub: JupyterHub's groups of the account. Groups that the settings do not name are ignored.
    """
    return tuple(group for group, rules in settings.groups.items() if name in rules.members or group in in_hub)


def configured_members(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the accounts of each group that the settings name as members."""
    return {name: group.members for name, group in settings.groups.items()}


def student_rules(settings: Settings, groups: Iterable[str]) -> StudentRules:
    """Return the rules of a student who is in these groups of the settings."""
    names = sorted(set(groups), key=lambda name: (-settings.groups[name].priority, name))
    ordered = [settings.groups[name] for name in names]
    change: dict[str, Any] = {}
    for group in reversed(ordered):
        change |= {key: value for key in _LIMITS if (value := getattr(group, key)) is not None}
        if group.image is not None:
            change["image"] = settings.images.get(group.image, group.image)
        change["environment"] = change.get("environment", settings.student.environment) | group.environment
    own = next((group.gpu for group in ordered if group.gpu.changes()), None)
    return StudentRules(
        student=settings.student.model_copy(update=change),
        gpu=settings.gpu if own is None else settings.gpu.for_group(own),
        shared=tuple(dict.fromkeys(path for group in ordered for path in group.shared)),
        groups=tuple(names),
    )


def settings_for_group(settings: Settings, group: str) -> Settings:
    """Return the settings of a class in which every student is in one group.

    Raises:
        ClassroomError: the settings name no such group.
    """
    if group not in settings.groups:
        known = ", ".join(settings.groups) or "none"
        raise ClassroomError(f"groups.{group}: the settings name no such group; known: {known}")
    rules = student_rules(settings, [group])
    return settings.model_copy(update={"student": rules.student, "gpu": rules.gpu})


def gpu_rules(settings: Settings) -> dict[str, Gpu]:
    """Return all GPU rules that hold for some student, by their key in the settings; those of all students first."""
    own = {f"groups.{name}.gpu": group.gpu for name, group in settings.groups.items() if group.gpu.changes()}
    return {"gpu": settings.gpu} | {key: settings.gpu.for_group(rules) for key, rules in own.items()}


def offers_gpus(settings: Settings) -> bool:
    """Return whether any student may have a GPU."""
    return any(gpu.policy != "none" for gpu in gpu_rules(settings).values())


def student_images(settings: Settings) -> tuple[str, ...]:
    """Return the references of all images that servers are started from; the image of all students comes first."""
    own = (student_rules(settings, [name]).student.image for name in settings.groups)
    return tuple(dict.fromkeys((settings.student.image, *own)))
