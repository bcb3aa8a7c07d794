# Python with packages that nixpkgs does not have, or has in an older version. pins.json lists them: pure Python wheels
# (JupyterHub's and JupyterLab's contain their built JavaScript). tests/nix compares each version with python/locks.
{
  lib,
  python,
  # Fetches the wheel of a pin; tests use a local directory.
  fetchPin ? pin: python.pkgs.fetchPypi pin,
}:
let
  pins = lib.importJSON ./pins.json;

  overrides =
    final: _prev:
    lib.mapAttrs (
      pname: pin:
      final.buildPythonPackage {
        inherit pname;
        inherit (pin) version;
        format = "wheel";
        src = fetchPin {
          pname = lib.replaceStrings [ "-" ] [ "_" ] pname;
          inherit (pin) version hash;
          format = "wheel";
          dist = pin.tag or "py3";
          python = pin.tag or "py3";
        };
        dependencies = map (name: final.${name}) pin.dependencies;
        dontStrip = true;
        # pins.json has the packages of jsonschema's extra format-nongpl except rfc3987-syntax, which compiles its
        # grammar at import and so delays every start of a server by 1.5 s.
        dontCheckRuntimeDeps = true;
      }
    ) pins;

  self = python.override (old: {
    inherit self;
    packageOverrides = lib.composeExtensions (old.packageOverrides or (_: _: { })) overrides;
  });
in
self
