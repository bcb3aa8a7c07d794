# Options of disko that docs/how-to/nixos-install.md uses (github:nix-community/disko, lib/types), and the file systems that
# follow from them.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  filesystem = types.submodule {
    options = {
      type = mkOption { type = types.enum [ "filesystem" ]; };
      format = mkOption { type = types.str; };
      mountpoint = mkOption { type = types.str; };
      mountOptions = mkOption {
        type = types.listOf types.str;
        default = [ "defaults" ];
      };
    };
  };
  partition = types.submodule {
    options = {
      type = mkOption {
        type = types.str;
        default = "8300";
      };
      size = mkOption { type = types.strMatching "0|100%|[0-9]+[KMGTP]?"; };
      content = mkOption { type = filesystem; };
    };
  };
  disk = types.submodule {
    options = {
      type = mkOption { type = types.enum [ "disk" ]; };
      device = mkOption { type = types.str; };
      content.type = mkOption { type = types.enum [ "gpt" ]; };
      content.partitions = mkOption { type = types.attrsOf partition; };
    };
  };
  contents = lib.concatMap (disk: map (partition: partition.content) (lib.attrValues disk.content.partitions)) (
    lib.attrValues config.disko.devices.disk
  );
in
{
  options.disko.devices.disk = mkOption {
    type = types.attrsOf disk;
    default = { };
  };
  config.fileSystems = lib.listToAttrs (
    map (
      content:
      lib.nameValuePair content.mountpoint {
        # Every machine of these tests has a root already (../machine.nix).
        device = lib.mkForce "/dev/disk/by-partlabel/${baseNameOf content.mountpoint}";
        fsType = content.format;
        options = content.mountOptions;
      }
    ) contents
  );
}
