# Homes as folders: the helper that makes and bounds them for a hub that is not root. It takes a home's name and an
# action; where homes are and how much they may hold it reads in settings.json itself.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
  isBounded = cfg.storage.quota != null;
in
{
  config = lib.mkIf (cfg.enable && cfg.storage.kind == "directory" && cfg.storage.path != null) {
    # Nobody but root looks through it; a student's container has their own home alone.
    systemd.tmpfiles.rules = [ "d ${cfg.storage.path} 0711 root root -" ];

    systemd.sockets.classroom-homes = {
      description = "Makes homes of students";
      wantedBy = [ "sockets.target" ];
      socketConfig = {
        ListenStream = "/run/classroom-homes.sock";
        SocketUser = "classroom";
        SocketGroup = "classroom";
        SocketMode = "0600";
      };
    };

    systemd.services.classroom-homes = {
      description = "Makes homes of students";
      # A disk that is not mounted is not an empty one.
      unitConfig.RequiresMountsFor = [ cfg.storage.path ];
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} homes-helper --settings ${cfg.settingsFile} --user classroom";
        ReadWritePaths = [ cfg.storage.path ];
        # Homes are the students' own, and counted whatever their modes.
        CapabilityBoundingSet = [
          "CAP_CHOWN CAP_DAC_READ_SEARCH CAP_FOWNER"
        ]
        # Limits, and the attribute that says which is a home's, are the machine's root's.
        ++ lib.optional isBounded "CAP_SYS_ADMIN";
        PrivateUsers = false; # owners and capabilities are those of the machine
        PrivateNetwork = true;
        RestrictAddressFamilies = [ "AF_UNIX" ];
        MemoryDenyWriteExecute = false; # as the hub
        # bash and the settings' own checks want no more; giving a home to its student does.
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
