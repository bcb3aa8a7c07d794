# Checks of the flake, computed and complete: every package, shell, host and virtual machine test.
{
  pkgs,
  self,
  # Returns the systems of tests/hosts for a processor.
  hosts,
  nixFiles,
}:
let
  inherit (pkgs) lib;
  inherit (pkgs.stdenv.hostPlatform) system;
  # Missing in NixOS 24.11; later releases have it.
  shim = lib.optional (lib.versionOlder lib.trivial.release "25.05") ../tests/nix/shim-24.11.nix;
  vmTest =
    test:
    pkgs.testers.runNixOSTest {
      imports = [ test ];
      defaults.imports = shim;
    };
  prefixed = prefix: lib.mapAttrs' (name: lib.nameValuePair "${prefix}-${name}");
  # A host with CUDA is evaluated only: to build it takes hours where no cache has the libraries.
  host =
    name: { config, ... }:
    let
      inherit (config.system.build) toplevel;
      path = builtins.unsafeDiscardStringContext toplevel.drvPath;
    in
    if config.services.classroom.image.cuda then pkgs.writeText "host-${name}" path else toplevel;
  # Without the CUDA images, which are unfree and have several gigabytes (`nix build .#studentImage`). The checks
  # evaluate the hosts that load them.
  small = lib.filterAttrs (name: _: !lib.hasPrefix "studentImage" name || lib.hasPrefix "studentImageCpu" name) self.packages.${system};
in
prefixed "package" small
// prefixed "shell" self.devShells.${system}
// prefixed "host" (lib.mapAttrs host (hosts system))
// lib.optionalAttrs (system == "x86_64-linux") (prefixed "vm" (lib.mapAttrs (_: vmTest) (nixFiles ../tests/nixos)))
