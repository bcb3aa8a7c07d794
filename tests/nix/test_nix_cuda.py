"""Packages with CUDA: the version that PyTorch's wheel is made for, and the operator's own configuration."""

from __future__ import annotations

import pytest

from nix.evaluation import REPOSITORY, evaluate

# The shape of nixpkgs since PyTorch 2.11: two versions of CUDA, and a wheel that names one of them.
NEWER = """
(final: prev: {
  cudaPackages = { cudaMajorMinorVersion = "12.9"; };
  cudaPackages_13 = { cudaMajorMinorVersion = "13.0"; };
  pythonPackagesExtensions = prev.pythonPackagesExtensions ++ [
    (_: _: { torch-bin = { version = "2.12.0"; pythonRemoveDeps = [ "cuda-toolkit" "nvidia-cudnn-WHEEL" ]; }; })
  ];
})
"""


def _with_cuda(value: str, overlay: str = "", config: str = "{ }") -> object:
    """Return a value of the packages with CUDA, whose name is `cuda`."""
    pkgs = f"import <nixpkgs> {{ config = {config}; overlays = [ {overlay} ]; }}"
    return evaluate(
        f'let cuda = import {REPOSITORY}/nix/cuda.nix {{ pkgs = {pkgs}; pythonAttribute = "python312"; }}; in {value}'
    )


@pytest.mark.parametrize(("wheel", "version"), [("cu13", "13.0"), ("cu12", "12.9")])
def test_the_version_of_cuda_is_that_of_pytorchs_wheel(wheel: str, version: str) -> None:
    overlay = NEWER.replace("WHEEL", wheel)
    assert _with_cuda("cuda.cudaPackages.cudaMajorMinorVersion", overlay) == version


def test_a_nixpkgs_with_one_version_keeps_it() -> None:
    assert _with_cuda("cuda.cudaPackages.cudaVersion == (import <nixpkgs> { }).cudaPackages.cudaVersion")


def test_the_operators_overlays_and_capabilities_count() -> None:
    patched = '(_: _: { hello = "patched"; })'
    assert _with_cuda("cuda.hello", patched) == "patched"
    assert _with_cuda("cuda.config.cudaCapabilities", config='{ cudaCapabilities = [ "9.0" ]; }') == ["9.0"]


def test_unfree_packages_are_allowed_there_alone() -> None:
    assert _with_cuda("cuda.config.allowUnfree") is True
    assert evaluate("(import <nixpkgs> { config = { }; }).config.allowUnfree") is False
