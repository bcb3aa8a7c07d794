"""GPU sample: the last measurement, in a file that the collector writes and the hub reads."""

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
"""Seconds after which a sample is ignored: the collector does not run, or the clock was set."""

_MAX_SIZE = 4 * 1024**2  # bytes


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Card(_Part):
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
    """Share of the time since the last sample in which something ran; null where the driver gives none (MIG)."""

    @property
    def names(self) -> frozenset[str]:
        """Return the CDI names."""
        return frozenset({f"nvidia.com/gpu={self.index}", f"nvidia.com/gpu={self.uuid}"})


class ContainerUse(_Part):
    """A container's use of its GPUs."""

    idle: float = Field(ge=0)
    """Seconds since one of its processes ran on a GPU, by the monotonic clock; at most the collector's own time."""
    memory: int = Field(default=0, ge=0)
    """Bytes on all GPUs."""


class Sample(_Part):
    """The measurement of one moment."""

    version: Literal[1] = 1
    taken: float
    """Seconds since 1970."""
    watched: float = Field(ge=0)
    """Seconds since the collector began."""
    cards: tuple[Card, ...] = ()
    containers: dict[str, ContainerUse] = Field(default_factory=dict)
    """By the engine's identifier. A missing container has run nothing on a GPU since the collector began."""

    def card(self, device: Device) -> Card | None:
        """Return the card of a device of the inventory."""
        return next((card for card in self.cards if card.names & set(device.names)), None)

    def idle(self, container: str, age: float) -> float:
        """Return the seconds for which a container is known to have used no GPU.

        Args:
            container: the engine's identifier.
            age: seconds since the container began.
        """
        use = self.containers.get(container)
        return min(self.watched, age, use.idle if use else self.watched)


def write_sample(path: Path, sample: Sample) -> None:
    """Replace the last sample atomically.

    Raises:
        OSError: the directory is missing or full.
    """
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(sample.model_dump_json())
    draft.chmod(0o640)
    draft.replace(path)


def read_sample(path: Path, now: float | None = None) -> Sample | None:
    """Return the sample; None if it is missing, older than `FRESH`, or of another version."""
    try:
        if path.stat().st_size > _MAX_SIZE:
            return None
        sample = Sample.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    age = (time.time() if now is None else now) - sample.taken
    return sample if abs(age) <= FRESH else None


def cards_by_device(sample: Sample | None, devices: tuple[Device, ...]) -> Mapping[str, Card]:
    """Return the cards that the sample knows, by the device's name."""
    if sample is None:
        return {}
    return {device.name: card for device in devices if (card := sample.card(device)) is not None}
