# settings.json, generated from the options. `classroom check` runs during the build, so a wrong setting fails the build
# and not the boot.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  cfg = config.services.classroom;
  generated = import ./options/generated.nix {
    inherit lib;
    own = import ./types.nix { inherit lib; };
  };

  # Return the values of generated options, in the same tree.
  valuesOf =
    options: values:
    lib.mapAttrs (name: option: if lib.isOption option then values.${name} else valuesOf option values.${name}) options;

  # Settings without a generated option. The paths are those of the module's units.
  fixed = {
    images = lib.mapAttrs (_: image: image.reference) cfg.images;
    spawner = "docker";
    docker.host = "unix:///run/docker.sock";
    docker.filter = "/run/classroom-engine.sock";
    # The page for a server that does not answer: its own, also while the hub is away.
    proxy.command = [
      (lib.getExe cfg.proxy.package)
      "--error-path=${./nginx/pages}"
    ];
    paths.state = "/var/lib/classroom";
    paths.runtime = "/run/classroom";
    paths.images = "/run/classroom-images";
    storage.helper = "/run/classroom-homes.sock";
    gpu.samples = "/run/classroom-gpus/sample.json";
    gpu.mps.folder = "/run/classroom-mps";
  };
  unchecked = (pkgs.formats.json { }).generate "settings.json" cfg.settings;

  # Weaker than lib.mkDefault and stronger than the defaults of a group's options. Value by value: a key of a group
  # leaves the other keys of the group.
  weak = lib.mapAttrsRecursive (_: lib.mkOverride 1400);

  # Return the names of options that have a definition and another value in `settings`.
  replaced =
    path: tree: values:
    lib.concatLists (
      lib.mapAttrsToList (
        name: option:
        let
          here = path ++ [ name ];
          own = lib.getAttrFromPath here options.services.classroom;
          isReplaced = own.highestPrio < (lib.mkOptionDefault null).priority && own.value != values.${name};
        in
        if lib.isOption option then
          # The others are assertions.
          lib.optional (isReplaced && !lib.elem (lib.showOption here) (import ./options/host.nix)) (lib.showOption here)
        else
          replaced here option values.${name}
      ) tree
    );
in
{
  options.services.classroom.settingsParts = lib.mkOption {
    internal = true;
    readOnly = true;
    type = lib.types.attrsOf (lib.types.listOf lib.types.str);
    description = "What each unit reads of the settings, for its restartTriggers; by the unit's name without classroom-.";
    default = lib.mapAttrs (_: map (path: builtins.toJSON (lib.getAttrFromPath path cfg.settings))) (
      lib.importJSON ./options/parts.json
    );
  };

  config = lib.mkIf cfg.enable {
    services.classroom.settings = lib.mkMerge [
      (weak (valuesOf generated cfg))
      (weak fixed)
    ];
    warnings = map (
      name:
      "services.classroom.settings.${name} replaces the value of services.classroom.${name}. Remove one of the two definitions."
    ) (replaced [ ] generated cfg.settings);

    services.classroom.settingsFile =
      pkgs.runCommand "classroom-settings.json"
        {
          nativeBuildInputs = [ cfg.package ];
          passthru = { inherit (cfg) settings; };
        }
        ''
          if ! classroom check ${unchecked} > answer 2>&1; then
            echo 'services.classroom has problems:' >&2
            cat answer >&2
            exit 1
          fi
          cp ${unchecked} $out
        '';

    # Units name this path, and not the file in the store: a changed setting restarts only those that read it.
    environment.etc."classroom/settings.json".source = cfg.settingsFile;
    environment.systemPackages = [
      cfg.package
      pkgs.restic # for `classroom backup`
    ];
  };
}
