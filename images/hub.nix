# Hub, proxy, Nginx and command for hosts that are not NixOS: compose/ runs them. Database and settings come from outside.
{
  lib,
  dockerTools,
  classroom,
  bash,
  cacert,
  configurable-http-proxy,
  coreutils,
  iptables,
  nftables,
  nginx,
  runCommand,
  tzdata,
  # `classroom network up` sets the host's rules, with the host's network and CAP_NET_ADMIN.
  tools ? [
    bash
    coreutils
    iptables
    nftables
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
