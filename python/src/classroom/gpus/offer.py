"""What a student who wants to start now is offered: the machine and the engine are asked, nothing is remembered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from classroom.gpus import line
from classroom.gpus.inventory import Inventory, stock_at
from classroom.gpus.leases import LEASE, Lease, leases
from classroom.gpus.placement import Full, Granted, Placement, Room, room_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from classroom.engine import Engine
    from classroom.settings import Gpu

    Rules = Callable[[Sequence[str]], Mapping[str, Gpu]]
    """The rules that hold for students of these names."""

WITHOUT = "no"
"""The one value of the one option of a start."""


@dataclass(frozen=True)
class View:
    """The GPUs, who has them and who waits for them, as one student finds them."""

    gpu: Gpu
    """The rules for that student."""
    inventory: Inventory
    leases: tuple[Lease, ...]
    line: tuple[line.Waiting, ...] = ()
    others: Mapping[str, Gpu] = field(default_factory=dict)
    """The rules for those in line, where they are not the same."""

    @cached_property
    def _rooms(self) -> tuple[Room, ...]:
        """The machine as each of those in line finds it, and at the end as somebody new does."""
        found = [room_of(self.inventory, self.leases)]
        for each in self.line:
            gpu = self.rules(each.name)
            found.append(found[-1].after(gpu, found[-1].answer(gpu)))
        return tuple(found)

    def rules(self, student: str) -> Gpu:
        """What holds for one of those in line."""
        return self.others.get(student, self.gpu)

    def place(self, student: str) -> int | None:
        """How many are in line before a student; None if the student is not in it."""
        return line.position(self.line, student)

    def answer(self, student: str) -> Placement:
        """What the student gets now. Those who came before have their GPUs first, even if they have not started."""
        gpu = self.rules(student)
        at_once = self._rooms[0].answer(gpu)
        if not isinstance(at_once, Granted):
            return at_once
        before = self.place(student)
        found = self._rooms[-1 if before is None else before].answer(gpu)
        if isinstance(found, Full):
            return Full("All GPUs are in use, or kept for those who wait in line.")
        return found


def has_line(gpu: Gpu) -> bool:
    """Whether students may have to wait."""
    return gpu.policy in {"exclusive", "shared"}


async def take_stock(gpu: Gpu) -> Inventory:
    """The machine's GPUs as its files say now."""
    return await asyncio.to_thread(stock_at(gpu.cdi_dirs).read)


async def all_leases(engine: Engine) -> tuple[Lease, ...]:
    """Every lease on the engine, those of other classes on it too.

    Raises:
        EngineAwayError: the engine does not answer.
    """
    return leases(await engine.call("containers", all=True, filters={"label": [LEASE]}))


async def look(engine: Engine, gpu: Gpu, db: Session, container: str, rules: Rules = lambda _names: {}) -> View:
    """Ask the machine, the engine and the line.

    Args:
        engine: the class's engine.
        gpu: the rules for the student.
        db: the hub's database.
        container: the student's. What an earlier one of that name holds is the same student's.
        rules: gives the rules for those in line, as far as they are not the same.

    Raises:
        EngineAwayError: the engine does not answer.
    """
    if gpu.policy == "none":
        return View(gpu, Inventory(), ())
    inventory, found = await take_stock(gpu), await all_leases(engine)
    held = tuple(lease for lease in found if lease.container != container)
    others = rules([each.name for each in line.read(db)])
    waiting = line.refresh(db, gpu, inventory, held, lambda name: others.get(name, gpu))
    return View(gpu, inventory, held, waiting, others)


def wants_gpu(options: Mapping[str, object]) -> bool | None:
    """What the options of a start say; None when they say anything but ``{"gpu": "no"}`` or nothing."""
    if not options:
        return True
    return False if dict(options) == {"gpu": WITHOUT} else None


def options_from_form(form: Mapping[str, list[str]]) -> dict[str, object]:
    """Options as the start page's form or a link says them; `wants_gpu` judges them."""
    return {key: values[0] if len(values) == 1 else values for key, values in form.items() if key != "_xsrf"}
