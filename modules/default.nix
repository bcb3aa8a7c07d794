# services.classroom: a class on this machine. options.nix reads as the manual; each other file is one concern.
{
  imports = [
    ./options.nix
    ./assertions.nix
    ./settings.nix
    ./hub.nix
    ./proxy.nix
    ./nginx.nix
    ./docker.nix
    ./network.nix
    ./images.nix
    ./storage.nix
    ./gpu.nix
    ./tunnel.nix
    ./backup.nix
    ./metrics.nix
  ];
}
