# The same nixpkgs with CUDA, which is unfree code: overlays and configuration are those of `pkgs`, so that its own
# `cudaCapabilities` and patches count in the student image too.
{ pkgs, pythonAttribute }:
let
  inherit (pkgs) lib;
  # PyTorch's wheel is made for one major version of CUDA, and nixpkgs may have another one as its default.
  matchingCuda =
    final: prev:
    let
      wheel = prev.${pythonAttribute}.pkgs.torch-bin;
      wants13 = lib.any (lib.hasSuffix "-cu13") (wheel.pythonRemoveDeps or [ ]);
    in
    {
      cudaPackages = if prev ? cudaPackages_13 && wants13 then final.cudaPackages_13 else prev.cudaPackages;
    };
in
import pkgs.path {
  inherit (pkgs.stdenv.hostPlatform) system;
  config = pkgs.config // {
    allowUnfree = true;
  };
  overlays = pkgs.overlays ++ [ matchingCuda ];
}
