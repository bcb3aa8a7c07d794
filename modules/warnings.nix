# Warnings about settings of the machine with which the class runs, but not as its settings say.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.classroom;
  inherit (pkgs.stdenv.hostPlatform) system;
  docker = config.virtualisation.docker.daemon.settings;
in
{
  config = lib.mkIf cfg.enable {
    # Of the merged settings: the class works by them.
    warnings =
      lib.optional (!(docker.iptables or true) && (cfg.settings.network.internet || cfg.settings.network.allow != [ ]))
        "virtualisation.docker.daemon.settings.iptables is off, so Docker translates no addresses, and students' servers reach no other network. Remove it, or translate addresses of ${cfg.network.subnet} by networking.nat."
      # Read in Docker's source (daemon/libnetwork/drivers/bridge/internal/nftabler): what a table drops at priority
      # `filter - 10` never reaches Docker's tables, which accept and translate at `filter` and `srcnat`.
      ++ lib.optional ((docker.firewall-backend or "") == "nftables")
        "virtualisation.docker.daemon.settings.firewall-backend is \"nftables\", which Docker calls experimental: the class's rules hold, because they drop packets before Docker's tables see them, but no test has booted them together. Run `classroom doctor` after the switch, or remove the setting."
      ++
        lib.optional (cfg.gpu.loadsCuda && !cfg.gpu.torchHasCuda)
          "services.classroom.image.cuda is on, but nixpkgs has PyTorch for ${system} without CUDA, so it uses no GPU. Write services.classroom.student.image = \"registry.example.org/image:tag\"; for an image of your own with PyTorch's wheel for CUDA, or services.classroom.image.cuda = false;";
  };
}
