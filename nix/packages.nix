# Packages of the flake: those of nix/default.nix, and each image as an archive for a registry.
{ pkgs }:
let
  inherit (pkgs) lib;
  built = import ./. { inherit pkgs; };
  images = { inherit (built) hubImage studentImage studentImageCpu; };

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
