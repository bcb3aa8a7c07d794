"""docs/reference/options.md, written where there is Nix; elsewhere it stays as it is, and CI tells."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from nix.evaluation import HERE, REPOSITORY, build, missing


def options_page() -> str:
    """Return the reference of the module's options, built by Nix; on Debian with the tools of the machine."""
    if shutil.which("dpkg-query"):
        return build(f'(import {HERE}/artefacts.nix {{ gixy = ""; environment = ""; }}).optionsDoc').read_text()
    return build(f"(import {REPOSITORY}/nix {{ pkgs = import <nixpkgs> {{ }}; }}).optionsDoc").read_text()


if __name__ == "__main__":
    if reason := missing():
        sys.stderr.write(f"{sys.argv[1]} is not written: {reason}. CI checks it.\n")
    else:
        Path(sys.argv[1]).write_text(options_page(), encoding="utf-8")
