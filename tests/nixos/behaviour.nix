# The suite tests/behaviour, which every deployment passes, on NixOS.
{
  name = "classroom-behaviour";
  nodes.machine = {
    imports = [
      ./common/class.nix
      ./common/gpus.nix
    ];
    # Links of sign-up codes name it.
    services.classroom.site.externalUrl = "http://127.0.0.1/";
  };
  testScript = ''
    ${builtins.readFile ./common/lib.py}
    ready(machine)
    suite(machine, ".")
  '';
}
