"""Wheels that fit an image's Python. This file runs inside the image, and imports nothing of the project."""

from __future__ import annotations

import json
import sys
import sysconfig

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.tags import sys_tags


def tags(lock: str) -> dict[str, object]:
    """Return what pip on another machine needs to download wheels for this Python, and the lines of `lock` for it."""
    requirements = []
    for line in lock.replace("\\\n", " ").splitlines():
        text, *hashes = line.partition("#")[0].split(" --hash=")
        if not text.strip():
            continue
        requirement = Requirement(text.strip())
        if requirement.marker is None or requirement.marker.evaluate():
            requirement.marker = None
            requirements.append(" --hash=".join([str(requirement), *(part.strip() for part in hashes)]))
    known = list(sys_tags())
    return {
        "python": sysconfig.get_python_version(),
        "platforms": list(dict.fromkeys(tag.platform for tag in known if tag.platform != "any")),
        "abis": list(dict.fromkeys(tag.abi for tag in known)),
        "requirements": "\n".join(requirements) + "\n",
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(tags(sys.stdin.read())))
