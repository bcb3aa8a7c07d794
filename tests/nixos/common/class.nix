# A machine with a class and the tools of the tests: the suite, a browser, and the verbs of a server.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  classroom = import ../../../nix { inherit pkgs; };
  server = pkgs.writeShellApplication {
    name = "classroom-server";
    runtimeInputs = [
      config.virtualisation.docker.package
      pkgs.curl
      pkgs.jq
    ];
    text = builtins.readFile ./server.sh;
  };
  tests = lib.fileset.toSource {
    root = ../..;
    fileset = lib.fileset.unions [
      ../../behaviour
      ../../support
      ./work.py
    ];
  };
  # Some tests import the package.
  python = classroom.python.withPackages (ps: [
    classroom.classroom.package
    ps.httpx
    ps.playwright
    ps.pytest
    ps.pytest-timeout
    ps.websockets
  ]);
in
{
  imports = [ ../../../modules ];

  services.classroom = {
    enable = true;
    admins = [ "teacher" ];
    # Without PyTorch: the tests here are about the machine.
    image.package = lib.mkDefault (
      classroom.studentImageCpu.override {
        torch = _: [ ];
        packages = ps: [ ps.pip ];
      }
    );
    student.memory = "1G";
  };

  environment.systemPackages = [
    pkgs.chromium
    pkgs.curl
    pkgs.jq
    pkgs.sqlite
    python
    server
  ];
  environment.variables = {
    CLASSROOM_URL = "http://127.0.0.1:${toString config.services.classroom.nginx.port}";
    CLASSROOM_SERVER = "classroom-server";
    CLASSROOM_ADMIN = "teacher";
    # NixOS writes the values between double quotes.
    CLASSROOM_FIXED = lib.escape [ "\"" ] (builtins.toJSON (lib.importJSON ./fixed.json));
    PYTHONPATH = "${tests}";
    PYTHONDONTWRITEBYTECODE = "1";
  };

  virtualisation = {
    cores = 2;
    memorySize = 4096;
    diskSize = 8192; # the image is copied into the engine
  };
}
