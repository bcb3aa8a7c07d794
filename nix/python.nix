# Python with the packages that nixpkgs lacks or has too old. pins.json says which: wheels of pure Python (JupyterHub's
# and JupyterLab's hold their built JavaScript), each held against python/locks by tests/nix.
{
  lib,
  python,
  # Where a pin's wheel comes from; tests put a folder here.
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
        # jsonschema's extra format-nongpl is spelled out in pins.json without rfc3987-syntax: its grammar is compiled
        # at import and costs every start of a server 1.5 s.
        dontCheckRuntimeDeps = true;
      }
    ) pins;

  self = python.override (old: {
    inherit self;
    packageOverrides = lib.composeExtensions (old.packageOverrides or (_: _: { })) overrides;
  });
in
self
