# What a host of tests/hosts needs to boot on the Debian root of these tests. Nothing here is about the class.
{ lib, ... }:
{
  boot.isContainer = true;
  boot.loader.grub.enable = lib.mkForce false;
  networking = {
    useDHCP = false;
    dhcpcd.enable = false;
    useHostResolvConf = false;
    nameservers = [ "10.99.0.53" ];
  };

  # Stubs of packages: their programs do not run.
  documentation.enable = false;
  environment.defaultPackages = [ ];
  environment.stub-ld.enable = false;
  fonts.fontconfig.enable = false;
  nix.enable = false;
  programs.less.enable = lib.mkForce false;
  programs.nano.enable = false;
  security.polkit.enable = lib.mkForce false;
  security.sudo.enable = false;
  security.wrappers = lib.mkForce { };
  services.logrotate.enable = false;
  services.nscd.enable = false;
  system.disableInstallerTools = true;
  system.nssModules = lib.mkForce [ ];
  systemd.coredump.enable = false;
  systemd.shutdownRamfs.enable = false;
  systemd.services = {
    network-setup.enable = false;
    resolvconf.enable = false;
    systemd-update-utmp.enable = false;
    # Debian's Nginx has these directories compiled in, NixOS's has others.
    nginx.serviceConfig.StateDirectory = "nginx";
  };
  systemd.suppressedSystemUnits = [ "dbus-org.freedesktop.portable1.service" ];
  xdg.icons.enable = false;
  xdg.mime.enable = false;

  # Debian's programs need Debian's loader.
  environment.ldso = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
  # The switch program in Perl runs on Debian's Perl; its successor is compiled.
  system.switch = {
    enable = true;
    enableNg = false;
  };
}
