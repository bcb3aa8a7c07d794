# The suite tests/behaviour, which every deployment passes, on NixOS.
{
  name = "classroom-behaviour";
  nodes.machine =
    { pkgs, ... }:
    let
      device = name: seen: {
        inherit name;
        containerEdits.env = [ "FAKE_GPU=${seen}" ];
      };
      numbers = [ "0" "1" "2" "3" ];
      # Simulated GPUs: each is only a variable. Tests change the file.
      gpus = pkgs.writeText "nvidia.json" (
        builtins.toJSON {
          cdiVersion = "0.6.0";
          kind = "nvidia.com/gpu";
          devices = map (number: device number number) numbers ++ [ (device "all" "0,1,2,3") ];
        }
      );
    in
    {
      imports = [ ./common/class.nix ];
      systemd.tmpfiles.rules = [
        "d /etc/cdi 0755 root root -"
        "C /etc/cdi/nvidia.json 0644 root root - ${gpus}"
      ];
    };
  testScript = ''
    ${builtins.readFile ./common/lib.py}
    ready(machine)
    suite(machine, ".")
  '';
}
