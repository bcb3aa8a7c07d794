# What is promised to students and operators holds on NixOS: the suite that every deployment passes.
{
  name = "classroom-behaviour";
  nodes.machine = ./common/class.nix;
  testScript = ''
    ${builtins.readFile ./common/lib.py}
    ready(machine)
    suite(machine, ".")
  '';
}
