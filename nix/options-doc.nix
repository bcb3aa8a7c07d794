# docs/reference/options.md: the module's options in their own words.
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
  rendered = nixosOptionsDoc {
    options = { inherit (evaluated.options) services; };
    warningsAreErrors = true;
    # All are of one file.
    transformOptions = option: option // { declarations = [ ]; };
  };
in
runCommand "options.md" { } ''
  {
    printf '%s\n\n' \
      '# Options of services.classroom' 'Made from modules/options.nix by `nix build .#optionsDoc`.'
    cat -s ${rendered.optionsCommonMark}
  } > $out
''
