# services.classroom: a class on this machine. options/ holds the options, each other file one concern.
{
  imports = [
    ./options
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
