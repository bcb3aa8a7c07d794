# NVIDIA's driver and container toolkit, which tells the engine by CDI what the GPUs are called.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.services.classroom;
  hardening = import ./hardening.nix;
in
{
  config = lib.mkIf (cfg.enable && cfg.gpu.isWanted) {
    hardware.nvidia-container-toolkit.enable = lib.mkIf cfg.gpu.driver true;

    services.xserver.videoDrivers = lib.mkIf cfg.gpu.driver [ "nvidia" ];
    hardware.nvidia = lib.mkIf cfg.gpu.driver {
      open = lib.mkDefault true; # Turing and newer; Blackwell has no other
      nvidiaSettings = lib.mkDefault false; # a window for a machine without a screen
      nvidiaPersistenced = lib.mkDefault true; # the device files are there before the first student
    };

    # Upstream makes the engine require this unit: a driver that does not load would take the whole site down. Students
    # then start without a GPU instead, and are told why.
    systemd.services.nvidia-container-toolkit-cdi-generator = lib.mkIf config.hardware.nvidia-container-toolkit.enable {
      requiredBy = lib.mkForce [ ];
      wantedBy = lib.mkForce [ "multi-user.target" "docker.service" ];
      before = [ "docker.service" ];
    };

    # /dev/shm of those who share a GPU by MPS: half of the machine's memory at most, and each container's own bound holds.
    systemd.mounts = lib.mkIf cfg.gpu.mps.enable [
      {
        what = "classroom-mps";
        where = "/run/classroom-mps/shm";
        type = "tmpfs";
        options = "mode=1777,nosuid,nodev";
        requiredBy = [ "classroom-mps.service" ];
        before = [ "classroom-mps.service" ];
      }
    ];
    systemd.services.classroom-mps = lib.mkIf cfg.gpu.mps.enable {
      description = "CUDA's Multi-Process Service";
      wantedBy = [ "multi-user.target" ];
      after = [ "nvidia-container-toolkit-cdi-generator.service" ];
      before = [ "classroom-hub.service" ];
      path = [ "/run/current-system/sw" ]; # where the driver's programs are
      environment.LD_LIBRARY_PATH = "/run/opengl-driver/lib";
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} gpus mps --settings ${cfg.settingsFile}";
        # root: its servers run as the user of whoever connects.
        PrivateUsers = false;
        CapabilityBoundingSet = [ "CAP_KILL" "CAP_SETGID" "CAP_SETUID" ];
        SystemCallFilter = [ "@system-service" ];
        RuntimeDirectory = "classroom-mps";
        RuntimeDirectoryMode = "0755";
        RuntimeDirectoryPreserve = true; # containers that run have it mounted
        BindPaths = [ "/run/classroom-mps/shm:/dev/shm" ]; # as in its clients
        UMask = "0022";
        KillMode = "mixed"; # it tells its daemon to quit
        Restart = "always";
        RestartSec = 10;
        PrivateDevices = false;
        DeviceAllow = [ "char-nvidia* rw" ];
        ProcSubset = "all"; # CUDA reads /proc/driver/nvidia
        ProtectProc = "default"; # its clients
        RestrictAddressFamilies = [ "AF_UNIX" ];
        IPAddressDeny = "any";
        MemoryDenyWriteExecute = false; # as the hub
      };
    };

    # Who uses which GPU how much: the hub may see neither the machine's processes nor the devices.
    systemd.services.classroom-gpus = {
      description = "Measures what the GPUs do";
      wantedBy = [ "multi-user.target" ];
      after = [ "nvidia-container-toolkit-cdi-generator.service" ];
      environment.LD_LIBRARY_PATH = "/run/opengl-driver/lib";
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} gpus sample --settings ${cfg.settingsFile}";
        DynamicUser = true;
        Group = "classroom"; # the hub's, which reads the file
        RuntimeDirectory = "classroom-gpus";
        RuntimeDirectoryMode = "0750";
        UMask = "0027";
        # Without a driver it ends after a while, and looks again.
        Restart = "always";
        RestartSec = 10;
        PrivateDevices = false;
        DeviceAllow = [ "char-nvidia* rw" ];
        ProtectProc = "default"; # in which container a process is
        PrivateNetwork = true;
        RestrictAddressFamilies = [ "AF_UNIX" ]; # the persistence daemon's
        MemoryDenyWriteExecute = false; # as the hub
        MemoryMax = "256M";
      };
    };
  };
}
