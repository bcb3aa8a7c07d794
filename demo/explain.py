"""From what pip and npm say when they fail to what can be done about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NO_SPACE = r"No space left on device|Errno 28|ENOSPC|Disk quota exceeded|Errno 122|EDQUOT"
_NO_INDEX = (
    r"Name or service not known|name resolution|NameResolutionError|NewConnectionError|ConnectTimeout|ReadTimeout"
    r"|Connection refused|Network is unreachable|Could not fetch URL|ProxyError|ENOTFOUND|EAI_AGAIN|ECONNREFUSED"
    r"|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|Exit handler never called"
)
_CERTIFICATE = r"CERTIFICATE_VERIFY_FAILED|SSLError|UNABLE_TO_(?:GET_ISSUER|VERIFY)|SELF_SIGNED_CERT"


def explain_pip(output: str, log: Path) -> str:
    """One sentence about pip's (or venv's) failure, with the remedy.

    Args:
        output: the last of what it wrote.
        log: where all of it is.
    """
    if common := _common(output, "the Python package index", "pip config set global.cert FILE", log):
        return common
    if missing := re.search(r"No matching distribution found for (\S+)", output):
        return f"The Python package index has no {missing[1]} for this Python and machine; pip's own words are in {log}"
    if "DO NOT MATCH THE HASHES" in output:
        return f"A package that was downloaded is not the one that the lock names: nothing was installed; see {log}"
    if build := re.search(r"Failed (?:to build|building wheel for) '?(\S+?)'?(?:\s|$)", output):
        return (
            f"{build[1]} has no ready-made package for this Python and machine, and could not be built: try another "
            f"Python, such as make demo PYTHON=python3.13; pip's own words are in {log}"
        )
    return f"The Python packages could not be installed; pip's own words are in {log}"


def explain_npm(output: str, log: Path) -> str:
    """One sentence about npm's failure, with the remedy."""
    common = _common(output, "npm's package index", "export NODE_EXTRA_CA_CERTS=FILE", log)
    return common or f"The proxy could not be installed; npm's own words are in {log}"


def _common(output: str, index: str, certificate: str, log: Path) -> str | None:
    if re.search(_NO_SPACE, output):
        return f"There is no space left on the disk: the demo needs about 1.5 GB; all that was said is in {log}"
    if re.search(_CERTIFICATE, output):
        return (
            f"The certificate of {index} is not trusted: if your network has an authority of its own, name its file, "
            f"`{certificate}`; all that was said is in {log}"
        )
    if re.search(_NO_INDEX, output):
        return (
            f"{index[0].upper()}{index[1:]} cannot be reached: check the network (and https_proxy, if you need one), "
            f"then `make demo` again; all that was said is in {log}"
        )
    return None
