# A machine on which everything comes late: the engine fails four times, the network is online after a while, and the
# image is written only when a file allows it. Certificate, key and secrets are in a directory that is empty at the first boot.
{
  lib,
  pkgs,
  studentImage,
  ...
}:
let
  secrets = "/var/lib/late-secrets";
  oneshot = {
    Type = "oneshot";
    RemainAfterExit = true;
  };
in
{
  services.classroom = {
    image.package = lib.mkOverride 40 (
      pkgs.writeShellScript "stream-late" ''
        until [ -e /var/lib/image-may-load ]; do ${pkgs.coreutils}/bin/sleep 0.2; done
        exec ${studentImage}
      ''
      // {
        inherit (studentImage) imageName imageTag;
        conf = studentImage.conf or null;
      }
    );
    secrets = lib.genAttrs [ "cookieSecret" "cryptKey" "proxyToken" "cliToken" "metricsToken" ] (
      name: "${secrets}/${name}"
    );
  };

  # Of another site: the tests reach the class without TLS.
  services.nginx.virtualHosts.late = {
    onlySSL = true;
    sslCertificate = "${secrets}/cert.pem";
    sslCertificateKey = "${secrets}/key.pem";
  };

  systemd.services = {
    docker.serviceConfig.ExecStartPre = pkgs.writeShellScript "late" ''
      echo >> /run/tries
      [ "$(${pkgs.coreutils}/bin/wc -l < /run/tries)" -gt 4 ] || exit 1
      ${pkgs.coreutils}/bin/sleep 5
    '';
    late-network = {
      wantedBy = [ "network-online.target" ];
      before = [ "network-online.target" ];
      serviceConfig = oneshot // {
        ExecStart = "${pkgs.coreutils}/bin/sleep 5";
      };
    };
  };
}
