# A NixOS system with the class, made of the programs of a Debian root: its toplevel boots there with systemd as process
# 1 (machine.py). NixOS's modules, units, /etc, activation and switch are real; the programs behind them are Debian's.
{
  nixpkgs ? <nixpkgs>,
  gixy,
  # The Debian root.
  root,
  # A directory with bin/classroom, for checks while the system is built.
  environment,
  # Name of a file in tests/hosts; null for a machine that the modules alone describe.
  host ? null,
  # A further module.
  module ? { },
  # A derivation as of dockerTools.streamLayeredImage, or null for an image with nothing but a shell.
  image ? null,
}:
let
  pkgs = import ../nix/host-toolchain.nix {
    inherit nixpkgs gixy;
    stubs = true;
    overlays = [ (import ./programs.nix { inherit nixpkgs root; }) ];
  };
  inherit (pkgs) lib;

  program =
    name: version: text:
    pkgs.runCommand name {
      inherit version;
      meta.mainProgram = name;
    } ''
      mkdir -p $out/bin
      cp ${builtins.toFile name "#!/bin/sh\n${text}\n"} $out/bin/${name}
      chmod +x $out/bin/${name}
    '';
  classroom = program "classroom" "0" ''
    # On the machine, or while the system is built.
    [ -x /opt/classroom/bin/classroom ] && exec /opt/classroom/bin/classroom "$@"
    exec ${environment}/bin/classroom "$@"'';
  proxy = program "configurable-http-proxy" "5.3.0" ''
    exec /usr/bin/node /opt/proxy/node_modules/configurable-http-proxy/bin/configurable-http-proxy "$@"'';
  shell = pkgs.dockerTools.streamLayeredImage {
    name = "classroom-none";
    contents = [
      pkgs.bash
      pkgs.coreutils
    ];
    config.Cmd = [
      "/bin/sleep"
      "1d"
    ];
    config.Labels."org.classroom.keep" = "student";
  };
  studentImage = if image == null then shell else image;
  withImage = lib.types.submodule { package = lib.mkForce studentImage; };
in
(import (nixpkgs + "/nixos/lib/eval-config.nix") {
  system = null;
  modules = [
    ../../modules
    ../nix/machine.nix
    ./machine.nix
    module
    {
      config.nixpkgs.pkgs = pkgs;
      config._module.args = { inherit classroom studentImage; };
      options.services.classroom = {
        image = lib.mkOption { type = withImage; };
        images = lib.mkOption { type = lib.types.attrsOf withImage; };
      };
      config.services.classroom = {
        package = lib.mkForce classroom;
        proxy.package = lib.mkForce proxy;
      };
    }
  ]
  ++ lib.optional (host != null) (../hosts + "/${host}.nix");
}).config.system.build.toplevel
