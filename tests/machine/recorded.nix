# The host whose record `make test` boots (record.py): all units of the class that need no domain, card or tunnel.
{ lib, pkgs, ... }:
let
  # Prints an image without files as `docker load` takes it: a record cannot have a real one.
  image =
    name:
    pkgs.writeShellScript "stream-${name}" ''
      set -eu
      PATH=${pkgs.coreutils}/bin:${pkgs.gnutar}/bin
      cd "$(mktemp -d)"
      tar cf layer.tar --files-from /dev/null
      printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$(sha256sum layer.tar | cut -d' ' -f1)" > config.json
      echo '[{"Config":"config.json","RepoTags":["${name}:1"],"Layers":["layer.tar"]}]' > manifest.json
      tar c config.json manifest.json layer.tar
    ''
    // {
      imageName = name;
      imageTag = "1";
    };
in
{
  services.classroom = {
    enable = true;
    admins = [ "teacher" ];
    # Stronger than what system.nix forces.
    image.package = lib.mkOverride 40 (image "first");
    images.second.package = lib.mkOverride 40 (image "second");
    # The tests bring it, as an operator does with an image of their own.
    student.image = "classroom-student:latest";
    network.internet = false;
    network.domains = [ "example.org" ];
    storage = {
      kind = "directory";
      path = "/srv/homes";
    };
    backup = {
      repository = "/var/backup/class";
      passwordFile = "/var/lib/backup-password";
    };
  };
}
