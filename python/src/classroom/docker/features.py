"""Features of the machine that containers use where they exist, and the engine's words for one that is missing."""

from __future__ import annotations

import re
from enum import Enum


class Feature(Enum):
    """A feature without which a container still starts and is isolated."""

    RAISED_LIMITS = "the right to raise limits that students share (CAP_SYS_RESOURCE)"
    """Of the engine, for `classroom.docker.container.SHARED_LIMITS`."""
    IPV6 = "IPv6"
    """Of the kernel: containers switch it off. With `ipv6.disable=1` there is nothing to switch off."""


# Of runc before and since 1.3.3. The spaces matter to the engine filter: no name that a hub chooses has one.
_ANSWERS = {
    Feature.RAISED_LIMITS: re.compile(r"setting rlimit"),
    Feature.IPV6: re.compile(r" open (?:/proc/sys/net/ipv6/|sysctl net\.ipv6\.).*no such file or directory"),
}


def missing_feature(answer: str) -> Feature | None:
    """Return the feature that is missing by the engine's error when it starts a container; None for other errors."""
    return next((feature for feature, pattern in _ANSWERS.items() if pattern.search(answer)), None)
