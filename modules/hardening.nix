# Hardening of every unit of the class. A unit that needs an exception overrides it with `//` and gives the reason.
{
  CapabilityBoundingSet = [ "" ];
  DeviceAllow = [ "" ];
  # No unit asks systemd or D-Bus for anything. Root could start programs by these sockets.
  InaccessiblePaths = [
    "-/run/dbus"
    "-/run/systemd/private"
  ];
  LockPersonality = true;
  MemoryDenyWriteExecute = true;
  NoNewPrivileges = true;
  PrivateDevices = true;
  PrivateTmp = true;
  PrivateUsers = true;
  ProcSubset = "pid";
  ProtectClock = true;
  ProtectControlGroups = true;
  ProtectHome = true;
  ProtectHostname = true;
  ProtectKernelLogs = true;
  ProtectKernelModules = true;
  ProtectKernelTunables = true;
  ProtectProc = "invisible";
  ProtectSystem = "strict";
  # With ProtectControlGroups, strict leaves /run out (systemd 257). A unit's own RuntimeDirectory stays writable.
  ReadOnlyPaths = [ "/run" ];
  RemoveIPC = true;
  RestrictAddressFamilies = [
    "AF_INET"
    "AF_INET6"
    "AF_UNIX"
  ];
  RestrictNamespaces = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  SystemCallArchitectures = "native";
  SystemCallErrorNumber = "EPERM";
  SystemCallFilter = [
    "@system-service"
    "~@privileged @resources"
  ];
  UMask = "0077";
}
