"""Evaluation builds nothing, and the page names what a machine must keep."""

from __future__ import annotations

import pytest

from nix.evaluation import REPOSITORY, NixError, evaluate


def test_an_evaluation_of_these_tests_may_not_build_anything() -> None:
    derivation = 'derivation { name = "a.nix"; system = builtins.currentSystem; builder = "/bin/sh"; }'
    with pytest.raises(NixError, match=r"allow-import-from-derivation|is not valid"):
        evaluate(f"import ({derivation})")


def test_the_page_names_each_directory_that_the_units_keep() -> None:
    page = (REPOSITORY / "docs/how-to/nixos.md").read_text().partition("does not persist")[2].partition("\n## ")[0]
    kept = evaluate("t.kept")
    assert {"/var/lib/classroom", "/var/cache/classroom-backup"} <= set(kept)
    assert [path for path in kept if f"| `{path}` |" not in page] == []
