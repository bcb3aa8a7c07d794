# `nix run`: the command; `.#demo`: a class in a virtual machine; `.#test-gpu`: what a student's container sees.
{ pkgs, nixpkgs }:
let
  inherit (pkgs) lib;
  built = import ./. { inherit pkgs; };

  demo =
    (import (nixpkgs + "/nixos/lib/eval-config.nix") {
      system = null;
      modules = [
        ../modules
        ./demo.nix
        { nixpkgs.pkgs = pkgs; }
      ];
    }).config.system.build.vm;

  testGpu = pkgs.writeShellApplication {
    name = "classroom-test-gpu";
    runtimeInputs = [ pkgs.docker-client ];
    text = ''
      image=''${1:-}
      device=''${2:-all}
      if [ -z "$image" ]; then
        echo 'usage: test-gpu IMAGE [DEVICE]; the image is student.image in /etc/classroom/settings.json' >&2
        exit 2
      fi
      exec docker run --rm --network none --device "nvidia.com/gpu=$device" "$image" /opt/classroom/bin/python -c '
      import torch
      print("PyTorch", torch.__version__, "for CUDA", torch.version.cuda)
      if not torch.cuda.is_available():
          raise SystemExit("PyTorch sees no GPU: look at journalctl -u nvidia-container-toolkit-cdi-generator")
      for number in range(torch.cuda.device_count()):
          a = torch.ones(1000, 1000, device=f"cuda:{number}")
          print(torch.cuda.get_device_name(number), "works" if (a @ a).sum().item() == 1e9 else "computes wrongly")
      '
    '';
  };

  app = description: program: {
    type = "app";
    inherit program;
    meta = { inherit description; };
  };
in
{
  default = app "The classroom command" (lib.getExe built.classroom);
  demo = app "A class in a virtual machine, at http://localhost:8000/" "${demo}/bin/run-classroom-vm";
  test-gpu = app "What a student's container sees of the GPUs" (lib.getExe testGpu);
}
