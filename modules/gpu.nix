# NVIDIA's driver and container toolkit, which tells the engine by CDI what the GPUs are called.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.services.classroom;
in
{
  config = lib.mkIf (cfg.enable && cfg.gpu.policy != "none") {
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
  };
}
