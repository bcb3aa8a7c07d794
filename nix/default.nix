# All that is built, from one nixpkgs. The flake, the NixOS module and the tests come here, so each builds the same.
{
  pkgs,
  # The one place where unfree code is allowed: CUDA, in the student image.
  cudaPkgs ? import pkgs.path {
    inherit (pkgs.stdenv.hostPlatform) system;
    config.allowUnfree = true;
  },
  # 3.13 is what nixpkgs' own packages are built for in 26.05; 24.11 still lacks PyTorch for it.
  pythonAttribute ? if pkgs.lib.versionAtLeast pkgs.lib.trivial.release "25.05" then "python313" else "python312",
}:
let
  inherit (pkgs) lib;
  pythonOf = from: from.callPackage ./python.nix { python = from.${pythonAttribute}; };
in
rec {
  python = pythonOf pkgs;

  classroom = pkgs.callPackage ./classroom.nix { inherit python; };

  student = import ../images/student.nix;
  studentImage = cudaPkgs.callPackage student {
    python = pythonOf cudaPkgs;
    cuda = true;
  };
  studentImageCpu = pkgs.callPackage student { inherit python; };
  hubImage = pkgs.callPackage ../images/hub.nix { inherit classroom; };

  # The image of a course: the standard one with what the instructor adds.
  studentImageWith =
    { cuda, extraPythonPackages, name }:
    (if cuda then studentImage else studentImageCpu).override { inherit extraPythonPackages name; };

  optionsDoc = pkgs.callPackage ./options-doc.nix { };
}
