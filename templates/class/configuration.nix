{
  nixpkgs.config.allowUnfree = true; # NVIDIA's driver

  # Built CUDA libraries. The owner of a key can put programs on this machine.
  nix.settings = {
    extra-substituters = [ "https://cache.nixos-cuda.org" ];
    extra-trusted-public-keys = [ "cache.nixos-cuda.org:74DUi4Ye579gUqzH4ziL9IyiJBlDpMRn9MBN8oNan9M=" ];
    experimental-features = [ "nix-command" "flakes" ];
  };

  services.classroom = {
    enable = true;
    stateVersion = "0.1";
    site.title = "Machine Learning";
    domain = "hub.example.org";
    admins = [ "teacher" ];
    tls.acme.enable = true;
    tls.acme.email = "teacher@example.org";
    storage.kind = "directory";
    storage.path = "/srv/homes";
    gpu.policy = "all";
    # image.extraPythonPackages = ps: [ ps.transformers ];
  };

  networking.hostName = "server";
  services.openssh.enable = true;
  system.stateVersion = "26.05";
}
