# Homes as directories: a root helper creates them and sets their quotas, because the hub is not root. A request has
# only an action and the name of a home; path and quota come from settings.json.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
  engineSockets = import ./engine-sockets.nix;
  isBounded = cfg.storage.quota != null;
in
{
  config = lib.mkIf (cfg.enable && cfg.storage.kind == "directory" && cfg.storage.path != null) {
    # Only root can list it; a student's container sees only its own home.
    systemd.tmpfiles.rules = [ "d ${cfg.storage.path} 0711 root root -" ];

    systemd.sockets.classroom-homes = {
      description = "Helper for students' homes";
      wantedBy = [ "sockets.target" ];
      socketConfig = {
        ListenStream = "/run/classroom-homes.sock";
        SocketUser = "classroom";
        SocketGroup = "classroom";
        SocketMode = "0600";
      };
    };

    systemd.services.classroom-homes = {
      description = "Helper for students' homes";
      # Otherwise an unmounted disk would look like an empty one.
      unitConfig.RequiresMountsFor = [ cfg.storage.path ];
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} homes-helper --settings /etc/classroom/settings.json --user classroom";
        ReadWritePaths = [ cfg.storage.path ];
        # Root reaches the engine, and this capability reads every file.
        InaccessiblePaths =
          hardening.InaccessiblePaths
          ++ map (path: "-${path}") (
            engineSockets
            ++ [
              "/run/credentials"
              "/run/secrets"
            ]
            ++ lib.filter (path: !lib.hasPrefix "${path}/" cfg.storage.path) [
              "/var/lib/classroom"
              "/var/lib/docker"
            ]
          );
        # To give homes to students, and to measure them despite their modes.
        CapabilityBoundingSet = [
          "CAP_CHOWN CAP_DAC_READ_SEARCH CAP_FOWNER"
        ]
        # To set quotas and the attribute with a home's project number.
        ++ lib.optional isBounded "CAP_SYS_ADMIN";
        PrivateUsers = false; # needs the owners and capabilities of the machine
        PrivateNetwork = true;
        RestrictAddressFamilies = [ "AF_UNIX" ];
        MemoryDenyWriteExecute = false; # as for the hub
        # @privileged contains fchown, which gives a home to its student.
        SystemCallFilter = [
          "@system-service"
          "~@privileged @resources"
          "fchown"
        ]
        ++ lib.optional isBounded "quotactl_fd";
        ProtectHome = !lib.any (home: lib.hasPrefix home cfg.storage.path) [ "/home/" "/root/" ];
        MemoryMax = "256M";
      };
    };
    systemd.services.classroom-hub = {
      wants = [ "classroom-homes.socket" ];
      after = [ "classroom-homes.socket" ];
    };
  };
}
