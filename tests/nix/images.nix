# Images of images/*.nix, built with this machine's interpreter and the wheels of the locks, so without PyTorch, a
# compiler and packages that no lock has. Recipes, layers, users and environment are those of the flake.
{
  nixpkgs ? <nixpkgs>,
  gixy,
  # A directory with hub/, student/ and build/, each with wheels and a needs.json with their dependencies.
  wheels,
  # A directory with the packages of the proxy's lock, by their hashes.
  npm,
  # The program, with npm below ../lib.
  node,
}:
let
  pkgs = import ./host-toolchain.nix { inherit nixpkgs gixy; };
  inherit (pkgs) lib;

  files = folder: lib.filter (lib.hasSuffix ".whl") (lib.attrNames (builtins.readDir (wheels + "/${folder}")));
  # "python_dateutil-4.0.0-py3-none-any.whl" is python-dateutil 4.0.0 (PEP 427, PEP 503).
  parse =
    folder: file:
    let
      parts = lib.splitString "-" file;
    in
    {
      name = lib.toLower (lib.replaceStrings [ "_" "." ] [ "-" "-" ] (lib.head parts));
      version = lib.elemAt parts 1;
      src = builtins.path {
        path = wheels + "/${folder}/${file}";
        name = file;
      };
    };
  parsed = folder: map (parse folder) (files folder);
  byName = folder: lib.listToAttrs (map (wheel: lib.nameValuePair wheel.name wheel) (parsed folder));

  # Python as in nix/python.nix, with its pins; the other packages come from the directory too.
  pythonOf =
    folder:
    let
      known = byName "build" // byName folder;
      needs = lib.importJSON (wheels + "/build/needs.json") // lib.importJSON (wheels + "/${folder}/needs.json");
    in
    import ../../nix/python.nix {
      inherit lib;
      fetchPin = pin: known.${lib.replaceStrings [ "_" ] [ "-" ] pin.pname}.src;
      python = pkgs.python311.override {
        packageOverrides =
          final: _:
          lib.mapAttrs (
            pname: wheel:
            final.buildPythonPackage {
              inherit pname;
              inherit (wheel) version src;
              format = "wheel";
              dontStrip = true;
              dontCheckRuntimeDeps = true; # the locks were resolved together
              dependencies = map (name: final.${name}) (needs.${pname} or [ ]);
            }
          ) known;
      };
    };

  allOf = folder: ps: map (wheel: ps.${wheel.name}) (parsed folder);

  # The source of Node is for packages that compile.
  nodePkgs = pkgs.extend (
    _: _: {
      nodejs = pkgs.hostNode node;
      srcOnly = _: pkgs.emptyDirectory;
    }
  );
in
rec {
  proxy = nodePkgs.callPackage ../../nix/proxy.nix {
    importNpmLock = import (nixpkgs + "/pkgs/build-support/node/import-npm-lock") {
      inherit lib;
      inherit (nodePkgs) stdenv callPackages runCommand;
      # npm takes a file without this ending for a directory.
      fetchurl =
        { url, hash }:
        builtins.path {
          path = npm + "/${lib.replaceStrings [ "/" ] [ "_" ] hash}";
          name = baseNameOf url;
        };
    };
  };

  classroom = pkgs.callPackage ../../nix/classroom.nix { python = pythonOf "hub"; };

  studentImageCpu = pkgs.callPackage ../../images/student.nix {
    python = pythonOf "student";
    packages = allOf "student";
    torch = _: [ ];
    tools = with pkgs; [
      bashInteractive
      coreutils
      curl
      findutils
      gawk
      git
      gnugrep
      gnused
      gnutar
      gzip
      procps
      which
    ];
    fonts = [ ];
    wheelLibraries = [ ];
  };

  # As studentImageCpu, with one package of a course.
  plainImage = studentImageCpu.override {
    packages = ps: lib.filter (package: package.pname != "pandas") (allOf "student" ps);
  };
  courseImage = plainImage.override {
    name = "classroom-course";
    extraPythonPackages = ps: [ ps.pandas ];
  };

  hubImage = pkgs.callPackage ../../images/hub.nix {
    inherit classroom;
    configurable-http-proxy = proxy;
    nginx = pkgs.nginxStable;
    # For `network.domains`, which these tests do not use.
    dnsmasq = pkgs.runCommand "no-dnsmasq" { } "mkdir -p $out/bin";
  };
}
