# The `classroom` command with the environment of the hub.
{
  lib,
  python,
  runCommand,
  installShellFiles,
}:
let
  project = (lib.importTOML ../python/pyproject.toml).project;
  version = import ./version.nix { inherit lib; };
  package = python.pkgs.buildPythonPackage {
    pname = project.name;
    inherit version;
    pyproject = true;
    src = lib.fileset.toSource {
      root = ../python;
      fileset = lib.fileset.unions [
        ../python/pyproject.toml
        (lib.fileset.fileFilter (file: !file.hasExt "pyc") ../python/src)
      ];
    };
    build-system = [ python.pkgs.hatchling ];
    dependencies = map (requirement: python.pkgs.${requirementName requirement}) project.dependencies;
    # The locks have other versions than nixpkgs; the tests run with both.
    pythonRelaxDeps = true;
    pythonImportsCheck = [ "classroom.settings" ];
  };
  requirementName = requirement: lib.head (lib.match "([A-Za-z0-9-]+).*" requirement);
  environment = python.withPackages (_: [ package ]);
in
runCommand "classroom-${version}"
  {
    inherit version;
    nativeBuildInputs = [ installShellFiles ];
    passthru = { inherit environment package python; };
    meta = {
      inherit (project) description;
      license = lib.licenses.mit;
      mainProgram = "classroom";
      platforms = lib.platforms.linux;
    };
  }
  ''
    mkdir -p $out/bin
    ln -s ${environment}/bin/classroom $out/bin/classroom

    $out/bin/classroom man > classroom.1
    for shell in bash fish zsh; do
      _CLASSROOM_COMPLETE=source_$shell $out/bin/classroom > classroom.$shell
    done
    installManPage classroom.1
    installShellCompletion --cmd classroom classroom.{bash,fish,zsh}
  ''
