# Computed, so that nothing is forgotten: every package, shell and host, every test of a virtual machine.
{
  pkgs,
  self,
  nixFiles,
}:
let
  inherit (pkgs) lib;
  inherit (pkgs.stdenv.hostPlatform) system;
  # What 24.11 lacks; later releases bring it themselves.
  shim = lib.optional (lib.versionOlder lib.trivial.release "25.05") ../tests/nix/shim-24.11.nix;
  vmTest =
    test:
    pkgs.testers.runNixOSTest {
      imports = [ test ];
      defaults.imports = shim;
    };
  prefixed = prefix: lib.mapAttrs' (name: lib.nameValuePair "${prefix}-${name}");
  # Several gigabytes, and unfree: `nix build .#studentImage` makes them, a check evaluates the hosts that load them.
  small = lib.filterAttrs (name: _: !lib.hasPrefix "studentImage" name || lib.hasPrefix "studentImageCpu" name) self.packages.${system};
in
prefixed "package" small
// prefixed "shell" self.devShells.${system}
// lib.optionalAttrs (system == "x86_64-linux") (
  prefixed "host" (lib.mapAttrs (_: host: host.config.system.build.toplevel) self.nixosConfigurations)
  // prefixed "vm" (lib.mapAttrs (_: vmTest) (nixFiles ../tests/nixos))
)
