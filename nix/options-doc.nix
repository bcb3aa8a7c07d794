# docs/options.md: the module's options in their own words.
{
  lib,
  nixosOptionsDoc,
  pkgs,
  runCommand,
}:
let
  evaluated = lib.evalModules {
    modules = [
      ../modules/options.nix
      {
        _module.check = false;
        _module.args = { inherit pkgs; };
      }
    ];
  };
  root = toString ../.;
  rendered = nixosOptionsDoc {
    options = { inherit (evaluated.options) services; };
    warningsAreErrors = true;
    # Files as they are in the repository, not as in the store.
    transformOptions =
      option:
      option
      // {
        declarations = map (file: lib.removePrefix "${root}/" (toString file)) option.declarations;
      };
  };
in
runCommand "options.md" { } ''
  {
    printf '%s\n\n' '# Options of services.classroom' 'Made from modules/options.nix by `nix build .#optionsDoc`.'
    cat ${rendered.optionsCommonMark}
  } > $out
''
