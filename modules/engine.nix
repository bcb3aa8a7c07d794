# Engine filter: who reaches the Docker engine's socket is root on the machine, so the hub does not. It reaches this
# unit's socket, which passes what `classroom.engine_filter` finds in the settings.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
in
{
  config = lib.mkIf cfg.enable {
    systemd.sockets.classroom-engine = {
      description = "Filtered Docker engine";
      wantedBy = [ "sockets.target" ];
      # The socket stays while the filter restarts: requests of the hub wait.
      socketConfig = {
        ListenStream = "/run/classroom-engine.sock";
        SocketUser = "classroom";
        SocketGroup = "classroom";
        SocketMode = "0600";
      };
    };

    systemd.services.classroom-engine = {
      description = "Filter between the hub and the Docker engine";
      wantedBy = [ "multi-user.target" ];
      # Not `requires`: while the engine is away, the hub gets an answer that says so.
      wants = [ "docker.service" ];
      requires = [ "classroom-engine.socket" ];
      after = [
        "classroom-engine.socket"
        "docker.service"
      ];
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} engine-filter --settings /etc/classroom/settings.json";
        DynamicUser = true;
        SupplementaryGroups = [ "docker" ];
        PrivateUsers = false; # the group of the engine's socket
        PrivateNetwork = true;
        RestrictAddressFamilies = [ "AF_UNIX" ];
        IPAddressDeny = "any";
        MemoryDenyWriteExecute = false; # as for the hub
        MemoryMax = "512M";
        Restart = "always";
        RestartSec = 1;
      };
      startLimitIntervalSec = 0;
    };
  };
}
