# Apps of the flake: `nix run` (the command), `.#demo` (a class in a virtual machine), `.#test-gpu` (the GPU self-test).
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
    runtimeInputs = [ built.classroom ];
    text = ''exec classroom gpus test "$@"'';
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
  test-gpu = app "Test of the GPUs in a student's container" (lib.getExe testGpu);
}
