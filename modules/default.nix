# services.classroom: a class on this machine. The options are in options/; each other file configures one part.
{
  imports = [
    ./options
    ./assertions.nix
    ./warnings.nix
    ./settings.nix
    ./hub.nix
    ./proxy.nix
    ./nginx.nix
    ./docker.nix
    ./engine.nix
    ./kernel.nix
    ./network.nix
    ./images.nix
    ./again.nix
    ./storage.nix
    ./gpu.nix
    ./tunnel.nix
    ./backup.nix
    ./metrics.nix
  ];

  # Not `maintainers`: NixOS takes only people of nixpkgs' own list.
  meta.doc = ../docs/how-to/nixos.md;
}
