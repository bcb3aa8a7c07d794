# The suite tests/behaviour, which every deployment passes, on NixOS.
{
  name = "classroom-behaviour";
  nodes.machine.imports = [
    ./common/class.nix
    ./common/gpus.nix
  ];
  testScript = ''
    ${builtins.readFile ./common/lib.py}
    ready(machine)
    suite(machine, ".")
  '';
}
