# Expressions that tests/nix evaluates; `nix-instantiate` evaluates each attribute alone.
{
  nixpkgs ? <nixpkgs>,
  modules ? ../../modules,
  system ? "x86_64-linux",
}:
let
  inherit (import nixpkgs { }) lib;
  classroom = modules;
  evalConfig = import (nixpkgs + "/nixos/lib/eval-config.nix");

  machine =
    modules:
    evalConfig {
      inherit system;
      modules = [
        classroom
        ./machine.nix
      ]
      ++ modules;
    };

  hostFiles = lib.filterAttrs (name: _: lib.hasSuffix ".nix" name) (builtins.readDir ../hosts);
  hosts =
    lib.mapAttrs' (
      file: _: lib.nameValuePair (lib.removeSuffix ".nix" file) (machine [ (../hosts + "/${file}") ])
    ) hostFiles
    // {
      template = machine [ ../../templates/class/configuration.nix ];
    };

  # Only our own assertions: those of NixOS would be evaluated again for every case.
  assertionsOf =
    { options, ... }:
    lib.concatMap (definition: definition.value) (
      lib.filter (definition: lib.hasInfix "/modules/" definition.file && !lib.hasPrefix (toString nixpkgs) definition.file) options.assertions.definitionsWithLocations
    );
  failures =
    machine:
    map (assertion: assertion.message) (
      lib.filter (assertion: !assertion.assertion) (assertionsOf machine)
    );

  # NixOS reduced to the modules whose values our assertions read: a case takes a fraction of a second.
  few =
    modules:
    lib.evalModules {
      specialArgs.utils = import (nixpkgs + "/nixos/lib/utils.nix") {
        inherit lib;
        config = { };
        pkgs = import nixpkgs { };
      };
      modules =
        map (module: nixpkgs + "/nixos/modules/${module}") [
          "hardware/video/nvidia.nix"
          "misc/assertions.nix"
          "security/acme"
          "services/hardware/nvidia-container-toolkit"
          "services/x11/xserver.nix"
          "system/boot/kernel.nix"
          "tasks/network-interfaces.nix"
          "virtualisation/docker.nix"
        ]
        ++ [
          classroom
          {
            config._module.check = false;
            config._module.args.pkgs = import nixpkgs { config.allowUnfree = true; };
            # NixOS's module would need all modules of booting.
            options.fileSystems = lib.mkOption {
              default = { };
              type = lib.types.attrsOf (
                lib.types.submodule (
                  { name, ... }:
                  {
                    options = {
                      mountPoint = lib.mkOption { default = name; };
                      device = lib.mkOption { };
                      fsType = lib.mkOption { };
                      options = lib.mkOption { default = [ "defaults" ]; };
                    };
                  }
                )
              );
            };
          }
        ]
        ++ modules;
    };

  # Only the options, for speed.
  alone =
    module:
    lib.evalModules {
      modules = [
        (modules + "/options")
        module
        {
          _module.check = false;
          _module.args.pkgs = import nixpkgs { };
        }
      ];
    };
in
{
  inherit machine evalConfig;
  release = lib.trivial.release;
  # Directories that systemd keeps for the class's units, on the host that has most of them.
  kept = lib.unique (
    lib.concatLists (
      lib.mapAttrsToList (
        name: unit:
        lib.optionals (lib.hasPrefix "classroom-" name) (
          map (path: "/var/lib/${path}") (lib.toList (unit.serviceConfig.StateDirectory or [ ]))
          ++ map (path: "/var/cache/${path}") (lib.toList (unit.serviceConfig.CacheDirectory or [ ]))
        )
      ) hosts.everything.config.systemd.services
    )
  );

  toplevels = lib.mapAttrs (_: host: host.config.system.build.toplevel.drvPath) hosts;
  warnings = lib.mapAttrs (_: host: host.config.warnings) hosts;
  hostFailures = lib.mapAttrs (_: failures) hosts;

  # Addresses of the collectors on the host that has all of them.
  collected =
    let
      inherit (hosts.everything) config;
    in
    {
      listens = lib.mapAttrs (_: exporter: exporter.listenAddress) (
        lib.filterAttrs (_: exporter: exporter.enable or false) (
          lib.filterAttrs (name: _: lib.elem name [ "node" "nginx" "nvidia-gpu" ]) config.services.prometheus.exporters
        )
      );
      jobs = map (job: {
        name = job.job_name;
        targets = (lib.head job.static_configs).targets;
      }) config.services.prometheus.scrapeConfigs;
      credentials = config.systemd.services.prometheus.serviceConfig.LoadCredential;
    };

  # Where Nginx listens on a host, and on the same host with a kernel without IPv6.
  addresses = map (
    more:
    map (listen: listen.addr)
      (machine ([ ../hosts/minimal.nix ] ++ more)).config.services.nginx.virtualHosts.classroom-browsers.listen
  ) [ [ ] [ { boot.kernelParams = [ "ipv6.disable=1" ]; } ] ];

  # The units that run at the boot, and those that run again; by name.
  again =
    let
      inherit (hosts.minimal.config.systemd) paths services;
    in
    lib.genAttrs hosts.minimal.config.services.classroom.again (name: {
      watched = paths."classroom-${name}-again".pathConfig.PathChanged;
      first = services."classroom-${name}".serviceConfig // { path = map toString services."classroom-${name}".path; };
      again = services."classroom-${name}-again".serviceConfig // {
        path = map toString services."classroom-${name}-again".path;
      };
    });

  # Options that say where a class keeps data, without definitions.
  places =
    module:
    let
      cfg = (alone module).config.services.classroom;
    in
    {
      inherit (cfg) storage;
      inherit (cfg.docker) prefix;
    };

  # Rights of the GPU collector's unit.
  sampler = {
    inherit (hosts.gpu.config.systemd.services.classroom-gpus.serviceConfig)
      CapabilityBoundingSet
      DeviceAllow
      DynamicUser
      NoNewPrivileges
      PrivateNetwork
      ProtectSystem
      RuntimeDirectoryMode
      ;
  };

  # The class's units that a switch restarts, from everything.nix to the same host with another module each.
  restarted =
    let
      unitsOf = lib.filterAttrs (name: _: lib.hasPrefix "classroom-" name);
      before = unitsOf hosts.everything.config.systemd.units;
    in
    lib.mapAttrs (
      _: module:
      lib.attrNames (
        lib.filterAttrs (name: unit: unit.text != before.${name}.text && !lib.hasInfix "X-RestartIfChanged=false" unit.text) (
          unitsOf (machine [ ../hosts/everything.nix module ]).config.systemd.units
        )
      )
    );

  # Messages of evaluation for a correct host with one mistake each.
  assertions =
    cases: lib.mapAttrs (_: module: failures (few [ ../hosts/minimal.nix module ])) cases;
  # For each assertion, in the order of the file, whether it holds.
  held =
    cases:
    lib.mapAttrs (
      _: module: map (assertion: assertion.assertion) (assertionsOf (few [ ../hosts/minimal.nix module ]))
    ) cases;

  # Content of settings.json, from services.classroom.settingsFile.
  rendered =
    module:
    (few [
      ../hosts/minimal.nix
      { services.classroom.student.image = "an-image:1"; }
      module
    ]).config.services.classroom.settingsFile.settings;

  # Of the whole system with minimal.nix and a module.
  configuration =
    module: path: lib.getAttrFromPath path (few [ ../hosts/minimal.nix module ]).config;

  # What other parts of NixOS know of the class, on minimal.nix with a module.
  around =
    module:
    let
      inherit (machine [ ../hosts/minimal.nix module ]) config;
    in
    {
      inherit (config) warnings;
      denied = config.networking.dhcpcd.denyInterfaces;
      forwarded = config.networking.firewall.extraForwardRules;
      nginx = config.systemd.services.nginx.after;
    };

  value = module: path: lib.getAttrFromPath path (alone module).config.services.classroom;

  options = map (option: {
    path = lib.drop 2 option.loc;
    inherit (option) description;
  }) (lib.filter (option: option.visible && !option.internal) (lib.optionAttrSetToDocList (alone { }).options.services.classroom));

  # Defaults of the settings' keys that JSON can represent.
  defaults = paths: map (path: lib.getAttrFromPath path (alone { }).config.services.classroom) paths;
}
