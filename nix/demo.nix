# Virtual machine with a class, for `nix run .#demo`. The console prints the instructor's one-time password.
{ lib, modulesPath, ... }:
{
  imports = [ "${modulesPath}/virtualisation/qemu-vm.nix" ];

  services.classroom = {
    enable = true;
    admins = [ "teacher" ];
    nginx.port = 8000;
    student.memory = "1G";
  };

  networking.hostName = "classroom";
  system.stateVersion = "24.11";
  services.getty.autologinUser = "root";
  programs.bash.loginShellInit = ''
    until [ -e /var/lib/classroom/secrets/first-password-teacher ]; do sleep 1; done
    echo "http://localhost:8000/ - log in as teacher: $(cat /var/lib/classroom/secrets/first-password-teacher)"
  '';

  virtualisation = {
    graphics = false;
    cores = 2;
    memorySize = 4096;
    diskSize = 16384; # for the student image
    forwardPorts = [
      {
        from = "host";
        host.port = 8000;
        guest.port = 8000;
      }
    ];
  };
  documentation.enable = lib.mkDefault false;
}
