# A certificate that the machine makes itself, for the names of all hosts, in the place of one by ACME.
{ lib, ... }:
{
  services.classroom.tls = {
    acme.enable = lib.mkForce false;
    certificate = lib.mkForce "/var/lib/tls/cert.pem";
    key = lib.mkForce "/var/lib/tls/key.pem";
  };
  system.activationScripts.tls.text = ''
    if [ ! -e /var/lib/tls/key.pem ]; then
      mkdir -p /var/lib/tls
      /usr/bin/openssl req -config ${builtins.toFile "openssl.cnf" "[req]\ndistinguished_name = name\n[name]\n"} -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=hub.example.org \
        -addext subjectAltName=${lib.concatMapStringsSep "," (name: "DNS:${name}.example.org") [ "hub" "gpu" "class" "servers" ]} \
        -keyout /var/lib/tls/key.pem -out /var/lib/tls/cert.pem
      chown -R nginx: /var/lib/tls
      chmod 600 /var/lib/tls/key.pem
    fi
  '';
  system.activationScripts.tls.deps = [ "users" ];
}
