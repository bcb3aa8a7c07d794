# A later release of the class (newer.py puts it into /opt/newer).
{
  lib,
  pkgs,
  classroom,
  ...
}:
{
  services.classroom.package = lib.mkOverride 40 (
    pkgs.writeShellScriptBin "classroom" ''
      PYTHONPATH=/opt/newer exec ${lib.getExe classroom} "$@"''
  );
}
