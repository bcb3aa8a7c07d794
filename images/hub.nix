# Hub, proxy, Nginx and command for hosts that are not NixOS: compose/ runs them.
{
  lib,
  dockerTools,
  classroom,
  bash,
  cacert,
  configurable-http-proxy,
  coreutils,
  dnsmasq,
  gnutar,
  iptables,
  nftables,
  nginx,
  openssh,
  restic,
  runCommand,
  tzdata,
  zstd,
  # `classroom network` sets the rules of the host and runs dnsmasq; `classroom backup` asks restic, or tar and zstd.
  tools ? [
    bash
    coreutils
    dnsmasq
    gnutar
    iptables
    nftables
    openssh
    restic
    zstd
  ],
}:
let
  # What Nginx includes, the same as on NixOS.
  directives = runCommand "classroom-nginx" { } ''
    mkdir -p $out/share/classroom
    cp -r ${../modules/nginx} $out/share/classroom/nginx
  '';
in
dockerTools.streamLayeredImage {
  name = "classroom-hub";
  maxLayers = 120;

  contents = tools ++ [
    classroom
    configurable-http-proxy
    directives
    nginx
    dockerTools.caCertificates
    (dockerTools.fakeNss.override {
      extraPasswdLines = [ "classroom:x:990:990:Hub:/var/lib/classroom:/bin/sh" ];
      extraGroupLines = [ "classroom:x:990:" ];
    })
  ];

  extraCommands = ''
    mkdir -p -m 1777 tmp
    mkdir -p etc/classroom run/classroom run/nginx tls var/lib/classroom
  '';
  fakeRootCommands = ''
    chown 990:990 run/classroom var/lib/classroom
    chmod 0700 var/lib/classroom
    chmod 0750 run/classroom
    chmod 1777 tmp
  '';

  config = {
    User = "990:990";
    WorkingDir = "/var/lib/classroom";
    Entrypoint = [ "/bin/classroom" ];
    Cmd = [ "hub" ];
    Env = [
      "PATH=/bin"
      "CLASSROOM_CONTAINER=1" # `classroom doctor` says its commands as compose/ has them
      "LANG=C.UTF-8"
      "TZDIR=${tzdata}/share/zoneinfo"
      "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
    ];
    Labels = {
      "org.classroom.keep" = "hub";
      "org.classroom.version" = classroom.version;
    };
  };
}
