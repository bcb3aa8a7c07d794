# Small artefacts of a host, built with the tools of this machine, so that tests can use the real files of NixOS. Only
# the programs in them are other ones.
{
  nixpkgs ? <nixpkgs>,
  gixy,
  # A directory with bin/classroom.
  environment,
}:
let
  pkgs = import ./host-toolchain.nix { inherit nixpkgs gixy; };
  inherit (pkgs) lib;

  # The command is that of this checkout, and the image is empty: neither is tested here.
  classroom = pkgs.runCommand "classroom" { version = "0"; meta.mainProgram = "classroom"; } ''
    mkdir -p $out/bin
    ln -s ${environment}/bin/classroom $out/bin/classroom
  '';
  # The version of the locks, which uses sockets; that of nixpkgs may be older and use ports.
  proxy = pkgs.runCommand "configurable-http-proxy" { version = "5.3.0"; meta.mainProgram = "configurable-http-proxy"; } ''
    mkdir -p $out/bin
    ln -s ${environment}/bin/configurable-http-proxy $out/bin/configurable-http-proxy
  '';
  image = pkgs.dockerTools.streamLayeredImage { name = "classroom-none"; };

  noImages =
    let
      none = lib.types.submodule { package = lib.mkForce image; };
    in
    {
      options.services.classroom = {
        image = lib.mkOption { type = none; };
        images = lib.mkOption { type = lib.types.attrsOf none; };
      };
    };

  machine =
    modules:
    (import (nixpkgs + "/nixos/lib/eval-config.nix") {
      system = null;
      modules = [
        ../../modules
        ./machine.nix
        noImages
        {
          nixpkgs.pkgs = pkgs;
          services.classroom.package = lib.mkForce classroom;
          services.classroom.proxy.package = lib.mkForce proxy;
        }
      ]
      ++ modules;
    }).config;

  # Return the store path of a file in a command line, with its dependencies.
  fileIn =
    pattern: command:
    let
      found = builtins.match pattern command;
    in
    if found == null then throw "no file in ${command}" else lib.addContextFrom command (lib.head found);

  ourUnits = config: lib.filterAttrs (name: _: lib.hasPrefix "classroom-" name) config.systemd.units;
in
rec {
  inherit pkgs;

  artefacts =
    modules:
    let
      config = machine modules;
      docker = toString config.systemd.services.docker.serviceConfig.ExecStart;
      nginx = config.systemd.services.nginx.serviceConfig.ExecStart;
    in
    pkgs.linkFarm "classroom-artefacts" (
      {
        "settings.json" = config.services.classroom.settingsFile;
        "nginx.conf" = fileIn ".* -c '?(/nix/store/[^ ']+)'?.*" nginx;
        "daemon.json" = fileIn ".*--config-file=([^ ]+).*" docker;
      }
      // lib.mapAttrs' (name: unit: lib.nameValuePair "units/${name}" "${unit.unit}/${name}") (
        ourUnits config
        // {
          inherit (config.systemd.units) "nginx.service" "docker.service" "docker.socket";
        }
      )
    );

  host = name: artefacts [ (../hosts + "/${name}.nix") ];
  hostWith = name: module: artefacts [ (../hosts + "/${name}.nix") module ];
  settings = module: (machine [ ../hosts/minimal.nix module ]).services.classroom.settingsFile;

  optionsDoc = pkgs.callPackage ../../nix/options-doc.nix { };
}
