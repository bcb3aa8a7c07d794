# configurable-http-proxy in its own unit: a restart of the hub keeps the connections of students.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
  engineSockets = import ./engine-sockets.nix;
in
{
  config = lib.mkIf cfg.enable {
    systemd.services.classroom-proxy = {
      description = "Proxy in front of the students' servers";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      # The process is the proxy's package alone. Its command line depends on these settings and on this file.
      restartTriggers = cfg.settingsParts.proxy ++ [ "${../python/src/classroom/hub/proxy_command.py}" ];
      serviceConfig = hardening // {
        # Not the path in the store: a new version of the hub would restart the proxy and cut every websocket.
        ExecStart = "/run/current-system/sw/bin/${baseNameOf (lib.getExe cfg.package)} proxy --settings /etc/classroom/settings.json";
        User = "classroom";
        Group = "classroom";
        LoadCredential = lib.filter (lib.hasPrefix "proxy-token:") cfg.credentials;
        # The proxy creates the token that it shares with the hub if it starts first.
        StateDirectory = "classroom";
        StateDirectoryMode = "0700";
        # Nginx is in the group, so it reaches the sockets. The API also requires a token.
        RuntimeDirectory = "classroom";
        RuntimeDirectoryMode = "0750";
        RuntimeDirectoryPreserve = "restart";
        PrivateMounts = true;
        # The proxy has the hub's user, and no business with the engine.
        InaccessiblePaths =
          hardening.InaccessiblePaths
          ++ map (path: "-${path}") (engineSockets ++ [ "/run/classroom-engine.sock" ]);
        UMask = "0007";
        # Node compiles code at run time.
        MemoryDenyWriteExecute = false;
        # After a restart browsers reconnect, and kernels keep running.
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
