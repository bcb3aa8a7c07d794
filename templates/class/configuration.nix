{
  nixpkgs.config.allowUnfree = true; # NVIDIA's driver

  services.classroom = {
    enable = true;
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
