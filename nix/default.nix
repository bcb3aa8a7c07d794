# Packages of the project, from one nixpkgs. The flake, the NixOS module and the tests use this file.
{
  pkgs,
  # 26.05 builds its packages for Python 3.13; 24.11 has no PyTorch for it.
  pythonAttribute ? if pkgs.lib.versionAtLeast pkgs.lib.trivial.release "25.05" then "python313" else "python312",
  # Unfree code is allowed only here, for CUDA in the student image.
  cudaPkgs ? import ./cuda.nix { inherit pkgs pythonAttribute; },
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
  # nixpkgs takes PyTorch's wheel without CUDA for some processors.
  torchHasCuda = !lib.hasInfix "/whl/cpu/" cudaPkgs.${pythonAttribute}.pkgs.torch-bin.src.url;
  studentImageCpu = pkgs.callPackage student { inherit python; };
  proxy = pkgs.callPackage ./proxy.nix { };
  hubImage = pkgs.callPackage ../images/hub.nix {
    inherit classroom;
    configurable-http-proxy = proxy;
  };

  # Return the image of a course: the standard image with additional packages.
  studentImageWith =
    { cuda, extraPythonPackages, name }:
    (if cuda then studentImage else studentImageCpu).override { inherit extraPythonPackages name; };

  optionsDoc = pkgs.callPackage ./options-doc.nix { };
}
