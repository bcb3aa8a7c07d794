"""Flake: it has the outputs of the README, and each of them instantiates."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from nix.evaluation import EVALUATE, HERE, REPOSITORY, evaluate, run, slow

FLAKE = f"import {HERE}/flake.nix {{ }}"
PACKAGES = {"classroom", "hubImage", "studentImage", "studentImageCpu", "optionsDoc"}


def names(expression: str) -> set[str]:
    return set(evaluate(f"builtins.attrNames ({FLAKE}).{expression}"))


def stems(folder: str) -> set[str]:
    return {file.stem for file in (REPOSITORY / folder).glob("*.nix")}


def test_the_flake_has_packages_apps_module_overlay_and_template() -> None:
    assert names("packages.x86_64-linux") >= PACKAGES
    assert names("apps.x86_64-linux") == {"default", "demo", "test-gpu"}
    assert names("nixosModules") == names("overlays") == {"default"}
    assert names("templates") == {"default"}


def test_every_host_and_every_vm_test_is_a_check() -> None:
    checks = names("checks.x86_64-linux")
    assert names("nixosConfigurations") == stems("tests/hosts")
    assert {f"host-{name}" for name in stems("tests/hosts")} <= checks & names("checks.aarch64-linux")
    assert {f"vm-{name}" for name in stems("tests/nixos")} <= checks


@pytest.mark.parametrize("system", ["x86_64-linux", "aarch64-linux"])
def test_every_package_and_shell_instantiates(system: str) -> None:
    paths = evaluate(
        f"let f = {FLAKE}; in builtins.mapAttrs (_: p: p.drvPath) (f.packages.{system} // f.devShells.{system})"
    )
    assert all(path.endswith(".drv") for path in paths.values())


@pytest.mark.parametrize("system", ["x86_64-linux", "aarch64-linux"])
def test_the_flake_names_cudas_licence_and_what_a_processor_lacks(system: str) -> None:
    command = [*EVALUATE, "--expr", f"({FLAKE}).packages.{system}.studentImage.drvPath"]
    said = subprocess.run(command, check=True, text=True, capture_output=True, cwd=REPOSITORY).stderr
    assert "whose licence is not free (https://docs.nvidia.com/cuda/eula)" in said
    assert "nix build .#studentImageCpu" in said
    has_cuda = evaluate(
        f'(import {REPOSITORY}/nix {{ pkgs = import <nixpkgs> {{ system = "{system}"; }}; }}).torchHasCuda'
    )
    assert (f"nixpkgs has PyTorch for {system} without CUDA" in said) is not has_cuda


@slow
def test_every_check_instantiates() -> None:
    checks = evaluate(f"builtins.mapAttrs (_: check: check.drvPath) ({FLAKE}).checks.x86_64-linux")
    assert all(path.endswith(".drv") for path in checks.values())
    assert "nixos-system" in checks["host-minimal"]
    assert "nixos-system" not in checks["host-gpu"], "it would be built, with CUDA"


@slow
@pytest.mark.parametrize("words", [["show"], ["check", "--no-build"]], ids=" ".join)
def test_nix_accepts_the_flake(words: list[str], tmp_path: Path) -> None:
    """Run `nix flake`, which also checks the form of modules and apps."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).split("\0")
    for name in filter(None, listed):
        if (REPOSITORY / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, tmp_path / name)
    nixpkgs = Path(run(["nix-instantiate", "--find-file", "nixpkgs"]).strip()).resolve()
    nix = ["nix", "--extra-experimental-features", "nix-command flakes", "flake", *words, f"path:{tmp_path}"]
    run([*nix, "--no-write-lock-file", "--override-input", "nixpkgs", f"path:{nixpkgs}"])


@slow
def test_the_demo_is_a_virtual_machine() -> None:
    assert evaluate(f"({FLAKE}).apps.x86_64-linux.demo.program").endswith("/bin/run-classroom-vm")


def test_the_overlay_contains_the_command() -> None:
    with_it = f"(import <nixpkgs> {{ overlays = [ ({FLAKE}).overlays.default ]; }})"
    assert evaluate(f"{with_it}.classroom.meta.mainProgram") == "classroom"


def test_every_release_output_exists() -> None:
    jobs = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"]
    released = {image["output"] for image in jobs["images"]["strategy"]["matrix"]["include"]}
    assert released == {"hubImage", "studentImage", "studentImageCpu"}
    assert {f"{name}Archive" for name in released} <= names("packages.x86_64-linux")


def test_there_is_one_input_and_it_is_locked() -> None:
    lock = json.loads((REPOSITORY / "flake.lock").read_text())
    assert list(lock["nodes"]) == ["nixpkgs", "root"]
    assert lock["nodes"]["nixpkgs"]["original"]["ref"] == "nixos-26.05"
    assert 'nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05"' in (REPOSITORY / "flake.nix").read_text()
