# configurable-http-proxy, a unit of its own: a restarted hub costs no student a connection.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
in
{
  config = lib.mkIf cfg.enable {
    systemd.services.classroom-proxy = {
      description = "Proxy in front of the students' servers";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} proxy --settings ${cfg.settingsFile}";
        User = "classroom";
        Group = "classroom";
        LoadCredential = cfg.credentials;
        # It reads the token that it shares with the hub, and makes it if it comes first.
        StateDirectory = "classroom";
        StateDirectoryMode = "0700";
        # Nginx is in the group and reaches the sockets; the API takes a token as well.
        RuntimeDirectory = "classroom";
        RuntimeDirectoryMode = "0750";
        RuntimeDirectoryPreserve = "restart";
        UMask = "0007";
        # Node compiles while it runs.
        MemoryDenyWriteExecute = false;
        # Version 4 leaks a little with every websocket; a restart costs a reconnection and no kernel.
        MemoryHigh = "768M";
        MemoryMax = "1G";
        LimitNOFILE = 65536;
        Restart = "always";
        RestartSec = 1;
      };
      startLimitIntervalSec = 0;
    };
  };
}
