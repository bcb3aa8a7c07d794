# Checks of the scripts of VM tests, as the build of a test driver makes them (mypy with the driver's types, pyflakes),
# but without its machines, which need KVM and a binary cache.
{
  nixpkgs ? <nixpkgs>,
  gixy,
  name,
}:
let
  pkgs = import ./host-toolchain.nix { inherit nixpkgs gixy; };
  inherit (pkgs) lib;
  shim = lib.optional (lib.versionOlder lib.trivial.release "25.05") ./shim-24.11.nix;
  test = (import nixpkgs { }).testers.runNixOSTest {
    imports = [ (../nixos + "/${name}.nix") ];
    defaults.imports = shim;
  };
  nixos = nixpkgs + "/nixos/lib";
  names = map (node: node.system.name) (lib.attrValues test.config.nodes);
  machines = names ++ lib.optional (lib.length names == 1 && !lib.elem "machine" names) "machine";
  known = machines ++ [
    "Driver"
    "Machine"
    "VLan"
    "create_machine"
    "driver"
    "join_all"
    "log"
    "machines"
    "os"
    "polling_condition"
    "re"
    "retry"
    "run_tests"
    "serial_stdout_off"
    "serial_stdout_on"
    "start_all"
    "subtest"
    "test_script"
    "time"
    "vlans"
  ];
in
pkgs.runCommand "vm-script-${name}"
  {
    testScript = test.config.testScriptString;
    nativeBuildInputs = [
      pkgs.mypy
      pkgs.python3Packages.pyflakes
    ];
  }
  ''
    cat ${nixos + "/test-script-prepend.py"} > typed
    echo "${toString (map (machine: "${machine}: Machine;") machines)}" >> typed
    echo -n "$testScript" | tee script >> typed
    export MYPYPATH=${nixos + "/test-driver"}
    mypy --no-implicit-optional --no-color-output --ignore-missing-imports --follow-imports=silent --cache-dir=$TMPDIR typed
    PYFLAKES_BUILTINS=${lib.concatStringsSep "," known} pyflakes script
    cp script $out
  ''
