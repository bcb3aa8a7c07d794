# Programs of the Debian root under the names of NixOS packages, for `host-toolchain.nix` with stubs.
{
  nixpkgs,
  # The Debian root: it lends D-Bus's units.
  root,
}:
final: prev:
let
  inherit (final.fromHost) fromDebs host;

  make =
    name: version: script:
    final.runCommand name {
      inherit version;
      pname = name;
      meta.mainProgram = name;
    } "mkdir -p $out/bin\n${script}";
  links =
    name: version: programs:
    make name version (final.lib.concatMapStrings (program: "ln -s ${program} $out/bin/\n") programs);

  dockerUnit = builtins.toFile "docker.service" ''
    [Unit]
    Description=Docker Application Container Engine
    After=network-online.target docker.socket
    Wants=network-online.target
    Requires=docker.socket
    StartLimitBurst=3
    StartLimitIntervalSec=60

    [Service]
    Type=notify
    ExecStart=/usr/sbin/dockerd -H fd://
    TimeoutStartSec=0
    RestartSec=2
    Restart=always
    LimitNPROC=infinity
    LimitCORE=infinity
    TasksMax=infinity
    Delegate=yes
    KillMode=process
    OOMScoreAdjust=-500
  '';
in
{
  perl = prev.perl // {
    withPackages =
      _:
      make "perl" "5" ''
        # Only the root has the modules, so the check of NixOS's script is left out of the build.
        printf '#!/bin/sh\n[ "$1" = -c ] || exec /usr/bin/perl "$@"\n' > $out/bin/perl
        chmod +x $out/bin/perl
      '';
  };
  # The patched engine of modules/docker.nix cannot be built here: its version needs no patch.
  docker = make "docker" "29.6.1" ''
    printf '#!/bin/sh\nPATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin exec /usr/sbin/dockerd "$@"\n' > $out/bin/dockerd
    chmod +x $out/bin/dockerd
    ln -s /usr/bin/docker $out/bin/docker
    mkdir -p $out/etc/systemd/system
    cp ${dockerUnit} $out/etc/systemd/system/docker.service
  '';
  # Nginx's unit takes `kill` from there.
  coreutils = host "coreutils" prev.coreutils "${fromDebs "coreutils"}\ncp /usr/bin/kill $out/bin/";
  iptables = links "iptables" "1.8.11" [
    "/usr/sbin/iptables"
    "/usr/sbin/ip6tables"
    "/usr/sbin/iptables-restore"
    "/usr/sbin/ip6tables-restore"
    "/usr/sbin/iptables-save"
  ];
  nftables = links "nftables" "1.1.3" [ "/usr/sbin/nft" ];
  iproute2 = links "iproute2" "6.15" [ "/usr/sbin/ip" ];
  restic = links "restic" "0.18" [ "/usr/bin/restic" ];
  openssh = links "openssh" "10" [ "/usr/bin/ssh" ];
  flock = links "flock" "2.41" [ "/usr/bin/flock" ];
  # NixOS's units get certificates with these two. Debian's minica is another program.
  lego = make "lego" "4.9" "cp /usr/bin/lego $out/bin/";
  minica = make "minica" "1.1" "install -m 755 ${./minica.sh} $out/bin/minica";
  dnsmasq = links "dnsmasq" "2.91" [ "/usr/sbin/dnsmasq" ];

  # The switch program looks for lib/systemd/systemd; units that Debian lacks are empty.
  systemd = host "systemd" prev.systemd ''
    ${fromDebs "systemd"}
    example=$out/example
    mkdir -p $example $out/lib/systemd
    ln -s /usr/lib/systemd/systemd $out/lib/systemd/systemd
    cp -r /usr/lib/systemd $example/
    for directory in sysctl.d tmpfiles.d; do
      cp -r /usr/lib/$directory $example/ || true
      ln -s example/$directory $out/lib/$directory
    done
    grep -rohE '"[a-zA-Z0-9@_.-]+[.](service|target|socket|slice|mount|automount|path|timer)"' ${nixpkgs + "/nixos/modules/system/boot"} |
      tr -d '"' | sort -u | while read -r unit; do
        for kind in system user; do
          file=$example/systemd/$kind/$unit
          [[ -e $file || -L $file ]] || printf '[Unit]\n' > $file
        done
      done'';
  dbus =
    prev.dbus.overrideAttrs (_: { })
    // final.runCommand "dbus" { } ''
      mkdir -p $out/share/dbus-1 $out/etc/systemd/system $out/bin
      cp /usr/share/dbus-1/*.conf $out/share/dbus-1/
      cp ${root}/usr/lib/systemd/system/dbus.{service,socket} $out/etc/systemd/system/
      ln -s /usr/bin/dbus-daemon $out/bin/dbus-daemon
    '';
}
