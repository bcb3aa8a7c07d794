"""What a student who wants to start now is offered: the machine and the engine are asked, nothing is remembered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from classroom.gpus.inventory import Inventory, stock_at
from classroom.gpus.leases import LEASE, Lease, leases
from classroom.gpus.placement import Granted, Placement, Without, place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.engine import Engine
    from classroom.settings import Gpu

WITHOUT = "no"
"""The one value of the one option of a start."""

_CHOSEN = "You chose to start without a GPU."


async def take_stock(gpu: Gpu) -> Inventory:
    """The machine's GPUs as its files say now."""
    return await asyncio.to_thread(stock_at(gpu.cdi_dirs).read)


async def all_leases(engine: Engine) -> tuple[Lease, ...]:
    """Every lease on the engine, those of other classes on it too.

    Raises:
        EngineAwayError: the engine does not answer.
    """
    return leases(await engine.call("containers", all=True, filters={"label": [LEASE]}))


async def offer(engine: Engine, gpu: Gpu, container: str, *, wanted: bool = True) -> Placement:
    """Decide for the student of a container that is about to be made.

    Args:
        engine: the class's engine.
        gpu: the policy.
        container: its name. What an earlier one of that name holds is the same student's.
        wanted: False when the student has chosen to start without.

    Raises:
        EngineAwayError: the engine does not answer.
    """
    if gpu.policy == "none":
        return Granted(())
    if not wanted:
        return Without(_CHOSEN)
    inventory = await take_stock(gpu)
    return place(gpu, inventory, [lease for lease in await all_leases(engine) if lease.container != container])


def wants_gpu(options: Mapping[str, object]) -> bool | None:
    """What the options of a start say; None when they say anything but ``{"gpu": "no"}`` or nothing."""
    if not options:
        return True
    return False if dict(options) == {"gpu": WITHOUT} else None


def options_from_form(form: Mapping[str, list[str]]) -> dict[str, object]:
    """Options as the start page's form or a link says them; `wants_gpu` judges them."""
    return {key: values[0] if len(values) == 1 else values for key, values in form.items() if key != "_xsrf"}
