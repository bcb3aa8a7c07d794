# configurable-http-proxy from python/locks/npm, the version that the tests run; nixpkgs may have an older one. The
# lock's hashes fetch the packages.
{
  lib,
  importNpmLock,
  makeWrapper,
  nodejs,
  runCommand,
}:
let
  locks = ../python/locks/npm;
  lock = lib.importJSON (locks + "/package-lock.json");
  inherit (lock.packages."node_modules/configurable-http-proxy") version;

  # The lock does not name the registry, so that npm uses the one of its user.
  resolve =
    path: module:
    let
      name = lib.last (lib.splitString "node_modules/" path);
    in
    module
    // lib.optionalAttrs (path != "") {
      resolved = "https://registry.npmjs.org/${name}/-/${baseNameOf name}-${module.version}.tgz";
    };

  modules = importNpmLock.buildNodeModules {
    inherit nodejs;
    package = lib.importJSON (locks + "/package.json");
    packageLock = lock // {
      packages = lib.mapAttrs resolve lock.packages;
    };
    derivationArgs = {
      pname = "configurable-http-proxy-modules";
      inherit version;
    };
  };
in
runCommand "configurable-http-proxy-${version}"
  {
    pname = "configurable-http-proxy";
    inherit version;
    nativeBuildInputs = [ makeWrapper ];
    passthru = { inherit modules; };
    meta = {
      description = "Proxy between Nginx and the students' servers";
      homepage = "https://github.com/jupyterhub/configurable-http-proxy";
      license = lib.licenses.bsd3;
      mainProgram = "configurable-http-proxy";
      inherit (nodejs.meta) platforms;
    };
  }
  ''
    makeWrapper ${lib.getExe nodejs} $out/bin/configurable-http-proxy \
      --add-flags ${modules}/node_modules/configurable-http-proxy/bin/configurable-http-proxy
  ''
