# Packages of the flake: those of nix/default.nix, and each image as an archive for a registry.
{ pkgs }:
let
  inherit (pkgs) lib;
  built = import ./. { inherit pkgs; };
  licence = "studentImage contains NVIDIA's CUDA, whose licence is not free (https://docs.nvidia.com/cuda/eula). To build it is to accept the licence. Without CUDA: nix build .#studentImageCpu";
  wheel = "nixpkgs has PyTorch for ${pkgs.stdenv.hostPlatform.system} without CUDA, so PyTorch of studentImage uses no GPU.";
  images = {
    inherit (built) hubImage studentImageCpu;
    studentImage = lib.warn licence (lib.warnIfNot built.torchHasCuda wheel built.studentImage);
  };

  # Reproducible: without name and time.
  archive =
    name: image:
    pkgs.runCommand "${image.imageName}.tar.gz"
      {
        nativeBuildInputs = [ pkgs.pigz ];
        passthru = { inherit (image) imageName imageTag; };
        meta.description = "${name} for `skopeo copy docker-archive:…`";
      }
      ''
        ${image} | pigz -nT > $out
      '';
in
images
// lib.mapAttrs' (name: image: lib.nameValuePair "${name}Archive" (archive name image)) images
// {
  inherit (built) classroom optionsDoc;
  default = built.classroom;
}
