"""What the sampler saw of the GPUs last: a file that it writes and the hub reads, which may not look itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from classroom.gpus.inventory import Device

INTERVAL = 10.0
"""Seconds between two samples."""
FRESH = 4 * INTERVAL
"""Seconds after which a sample says nothing any more: the sampler does not run, or the clock was set."""

_BIGGEST = 4 * 1024**2  # bytes


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Card(_Said):
    """A GPU, or a MIG instance of one, as NVML describes it."""

    index: str
    """As in CDI names: ``0``, or ``0:1`` for an instance."""
    uuid: str
    name: str
    """The model."""
    memory_used: int = Field(ge=0)
    """Bytes."""
    memory_total: int = Field(ge=0)
    """Bytes."""
    use: float | None = Field(default=None, ge=0, le=1)
    """Part of the time since the last sample in which something ran; null where the driver does not say (MIG)."""

    @property
    def names(self) -> frozenset[str]:
        """Its CDI names."""
        return frozenset({f"nvidia.com/gpu={self.index}", f"nvidia.com/gpu={self.uuid}"})


class Use(_Said):
    """What a container does with its GPUs."""

    idle: float = Field(ge=0)
    """Seconds since something of it ran on a GPU; counted while the sampler ran, so at most that. By the clock that
    only goes forward."""
    memory: int = Field(default=0, ge=0)
    """Bytes that it holds on all GPUs."""


class Sample(_Said):
    """All that was seen at one moment."""

    version: Literal[1] = 1
    taken: float
    """Seconds since 1970."""
    watched: float = Field(ge=0)
    """Seconds for which the sampler has been looking."""
    cards: tuple[Card, ...] = ()
    containers: dict[str, Use] = Field(default_factory=dict)
    """By the engine's identifier. A container that is missing has run nothing on a GPU since the sampler began."""

    def card(self, device: Device) -> Card | None:
        """The card behind a device of the inventory."""
        return next((card for card in self.cards if card.names & set(device.names)), None)

    def idle(self, container: str, age: float) -> float:
        """For how many seconds a container has used no GPU, as far as is known.

        Args:
            container: the engine's identifier.
            age: seconds since the container began.
        """
        use = self.containers.get(container)
        return min(self.watched, age, use.idle if use else self.watched)


def write(path: Path, sample: Sample) -> None:
    """Put a sample in the place of the last one, at once or not at all.

    Raises:
        OSError: the folder is missing or full.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(sample.model_dump_json())
    beside.chmod(0o640)
    beside.replace(path)


def read(path: Path, now: float | None = None) -> Sample | None:
    """The sample, or None if there is none, it is older than `FRESH`, or not one that this version understands."""
    try:
        if path.stat().st_size > _BIGGEST:
            return None
        sample = Sample.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    age = (time.time() if now is None else now) - sample.taken
    return sample if abs(age) <= FRESH else None


def cards(sample: Sample | None, devices: tuple[Device, ...]) -> Mapping[str, Card]:
    """The card of each device that the sample knows, by the device's name."""
    if sample is None:
        return {}
    return {device.name: card for device in devices if (card := sample.card(device)) is not None}
