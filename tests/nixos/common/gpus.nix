# Four simulated GPUs, for the tests of tests/behaviour: each is only a variable. Tests change the file.
{ pkgs, ... }:
let
  device = name: seen: {
    inherit name;
    containerEdits.env = [ "FAKE_GPU=${seen}" ];
  };
  gpus = pkgs.writeText "nvidia.json" (
    builtins.toJSON {
      cdiVersion = "0.6.0";
      kind = "nvidia.com/gpu";
      devices = map (number: device number number) [ "0" "1" "2" "3" ] ++ [ (device "all" "0,1,2,3") ];
    }
  );
in
{
  systemd.tmpfiles.rules = [
    "d /etc/cdi 0755 root root -"
    "C /etc/cdi/nvidia.json 0644 root root - ${gpus}"
  ];
}
