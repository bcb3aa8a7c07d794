# NVIDIA's driver, and its container toolkit, which writes the CDI specification for the engine.
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
      open = lib.mkDefault true; # for Turing and newer; Blackwell requires it
      nvidiaSettings = lib.mkDefault false; # a graphical program; servers have no screen
      nvidiaPersistenced = lib.mkDefault true; # creates the device files before the first server starts
    };

    # Upstream makes the engine require this unit, so a driver that does not load would stop the site. Here students
    # start without a GPU, and the page gives the reason.
    systemd.services.nvidia-container-toolkit-cdi-generator = lib.mkIf config.hardware.nvidia-container-toolkit.enable {
      requiredBy = lib.mkForce [ ];
      wantedBy = lib.mkForce [ "multi-user.target" "docker.service" ];
      before = [ "docker.service" ];
      # The engine and the hub wait for it. A driver that hangs would keep the site away.
      serviceConfig.TimeoutStartSec = lib.mkDefault "1min";
    };

    # /dev/shm of MPS clients: at most half of the machine's memory, within the memory limit of each container.
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
      # A restart ends all programs that use CUDA. `classroom doctor` says when one is due.
      restartIfChanged = false;
      path = [ "/run/current-system/sw" ]; # has the driver's programs
      environment.LD_LIBRARY_PATH = "/run/opengl-driver/lib";
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} gpus mps --settings /etc/classroom/settings.json";
        # Root: it starts a server as the user of the client.
        PrivateUsers = false;
        CapabilityBoundingSet = [ "CAP_KILL" "CAP_SETGID" "CAP_SETUID" ];
        SystemCallFilter = [ "@system-service" ];
        RuntimeDirectory = "classroom-mps";
        RuntimeDirectoryMode = "0755";
        RuntimeDirectoryPreserve = true; # running containers mount it
        BindPaths = [ "/run/classroom-mps/shm:/dev/shm" ]; # as in clients
        UMask = "0022";
        KillMode = "mixed"; # the command tells its daemon to quit
        Restart = "always";
        RestartSec = 10;
        PrivateDevices = false;
        DeviceAllow = [ "char-nvidia* rw" ];
        ProcSubset = "all"; # CUDA reads /proc/driver/nvidia
        ProtectProc = "default"; # it reads the processes of clients
        RestrictAddressFamilies = [ "AF_UNIX" ];
        IPAddressDeny = "any";
        MemoryDenyWriteExecute = false; # as for the hub
      };
    };

    # The collector measures the use of each GPU, because the hub sees neither the machine's processes nor the devices.
    systemd.services.classroom-gpus = {
      description = "GPU collector of the class";
      wantedBy = [ "multi-user.target" ];
      after = [ "nvidia-container-toolkit-cdi-generator.service" ];
      restartTriggers = cfg.settingsParts.gpus;
      environment.LD_LIBRARY_PATH = "/run/opengl-driver/lib";
      serviceConfig = hardening // {
        ExecStart = "${lib.getExe cfg.package} gpus sample --settings /etc/classroom/settings.json";
        DynamicUser = true;
        Group = "classroom"; # the hub reads the file
        RuntimeDirectory = "classroom-gpus";
        RuntimeDirectoryMode = "0750";
        UMask = "0027";
        # Without a driver the collector exits after a while and is restarted.
        Restart = "always";
        RestartSec = 10;
        PrivateDevices = false;
        DeviceAllow = [ "char-nvidia* rw" ];
        ProtectProc = "default"; # it looks up the containers of processes
        ProcSubset = "all"; # NVML reads /proc/driver/nvidia
        PrivateNetwork = true;
        RestrictAddressFamilies = [ "AF_UNIX" ]; # for the persistence daemon
        MemoryDenyWriteExecute = false; # as for the hub
        MemoryMax = "256M";
      };
    };
  };
}
