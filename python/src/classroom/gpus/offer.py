"""What a student who wants to start now is offered: the machine and the engine are asked, nothing is remembered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.gpus import line
from classroom.gpus.inventory import Inventory, stock_at
from classroom.gpus.leases import LEASE, Lease, leases
from classroom.gpus.placement import Full, Granted, Placement, place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from classroom.engine import Engine
    from classroom.settings import Gpu

WITHOUT = "no"
"""The one value of the one option of a start."""


@dataclass(frozen=True)
class View:
    """The GPUs, who has them and who waits for them, as one student finds them."""

    gpu: Gpu
    inventory: Inventory
    leases: tuple[Lease, ...]
    line: tuple[line.Waiting, ...] = ()

    def place(self, student: str) -> int | None:
        """How many are in line before a student; None if the student is not in it."""
        return line.position(self.line, student)

    def answer(self, student: str) -> Placement:
        """What the student gets now. Those who came before have their GPUs first, even if they have not started."""
        found = place(self.gpu, self.inventory, self.leases)
        before = self.place(student)
        ahead = len(self.line) if before is None else before
        if isinstance(found, Granted) and line.turns(self.gpu, self.inventory, self.leases, ahead + 1) <= ahead:
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


async def look(engine: Engine, gpu: Gpu, db: Session, container: str) -> View:
    """Ask the machine, the engine and the line.

    Args:
        engine: the class's engine.
        gpu: the policy.
        db: the hub's database.
        container: the student's. What an earlier one of that name holds is the same student's.

    Raises:
        EngineAwayError: the engine does not answer.
    """
    if gpu.policy == "none":
        return View(gpu, Inventory(), ())
    inventory, found = await take_stock(gpu), await all_leases(engine)
    held = tuple(lease for lease in found if lease.container != container)
    return View(gpu, inventory, held, line.refresh(db, gpu, inventory, held) if has_line(gpu) else ())


def wants_gpu(options: Mapping[str, object]) -> bool | None:
    """What the options of a start say; None when they say anything but ``{"gpu": "no"}`` or nothing."""
    if not options:
        return True
    return False if dict(options) == {"gpu": WITHOUT} else None


def options_from_form(form: Mapping[str, list[str]]) -> dict[str, object]:
    """Options as the start page's form or a link says them; `wants_gpu` judges them."""
    return {key: values[0] if len(values) == 1 else values for key, values in form.items() if key != "_xsrf"}
