# The flake's packages: what nix/default.nix makes, and each image as an archive for a registry as well.
{ pkgs }:
let
  inherit (pkgs) lib;
  built = import ./. { inherit pkgs; };
  images = { inherit (built) hubImage studentImage studentImageCpu; };

  # The same bytes each time: no name, no time.
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
