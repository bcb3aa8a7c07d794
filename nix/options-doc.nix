# docs/reference/options.md, the reference of the module's options.
{
  lib,
  nixosOptionsDoc,
  pkgs,
  runCommand,
}:
let
  evaluated = lib.evalModules {
    modules = [
      ../modules/options
      {
        _module.check = false;
        _module.args = { inherit pkgs; };
      }
    ];
  };
  rendered = nixosOptionsDoc {
    options = { inherit (evaluated.options) services; };
    warningsAreErrors = true;
    # Store paths would change with every commit.
    transformOptions = option: option // { declarations = [ ]; };
  };
in
runCommand "options.md" { } ''
  {
    printf '%s\n\n' \
      '# Options of services.classroom' 'Generated from modules/options by `make docs`.'
    cat -s ${rendered.optionsCommonMark}
  } > $out
''
