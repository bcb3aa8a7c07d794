# Options of sops-nix that docs/how-to/nixos-secrets.md uses (github:Mic92/sops-nix, modules/sops).
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.sops;
  units = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };
in
{
  options.sops = {
    defaultSopsFile = mkOption { type = types.path; };
    age.sshKeyPaths = mkOption {
      type = types.listOf types.path;
      default = [ ];
    };
    secrets = mkOption {
      default = { };
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            options = {
              path = mkOption {
                type = types.str;
                default = "/run/secrets/${name}";
              };
              owner = mkOption {
                type = types.nullOr types.str;
                default = null;
              };
              mode = mkOption {
                type = types.str;
                default = "0400";
              };
              sopsFile = mkOption {
                type = types.path;
                default = cfg.defaultSopsFile;
              };
              restartUnits = units;
              reloadUnits = units;
            };
          }
        )
      );
    };
  };
}
