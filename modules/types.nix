# Option types with the names that python/src/classroom/settings/types.py uses for them; tests/nix compares the two.
{ lib }:
let
  inherit (lib) types;
  described = description: type: type // { inherit description; };
in
{
  accountName = described "account name: at most 32 lower-case letters, digits, dots, dashes or underscores, beginning with a letter or digit" (
    types.strMatching "[a-z0-9][a-z0-9._-]{0,31}"
  );

  duration = types.either types.ints.unsigned (
    described ''duration such as "90s", "60m", "2h" or "1d"'' (types.strMatching "[0-9]+[smhd]")
  );

  size = types.either types.ints.positive (
    described ''size such as "512M" or "4G"'' (types.strMatching "[0-9]+[KMGT]?")
  );

  folder = described ''path of a directory, such as "/srv/homes"'' (
    types.strMatching "/[^[:space:]]*[^/[:space:]]"
  );

  ipv4 = described ''IPv4 address such as "10.0.0.1"'' (
    types.strMatching "([0-9]{1,3}\\.){3}[0-9]{1,3}"
  );

  ipv4Network = described ''IPv4 network such as "10.213.0.0/20"'' (
    types.strMatching "([0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}"
  );

  tcpListen = described ''address and port such as "127.0.0.1:8081"'' (
    types.strMatching "([0-9.]+|\\[[0-9a-f:]+]):[0-9]+"
  );

  listen = described ''"unix:/path/to/socket" or "address:port"'' (
    types.strMatching "unix:/.+|([0-9.]+|\\[[0-9a-f:]+]):[0-9]+"
  );

  # Without a path: Nginx serves the class at the root of its domain.
  url = described ''address of the class such as "https://class.example.org/", without a path'' (
    types.strMatching "(https?://[^/[:space:]]+/?)?"
  );

  # A string, because a path literal (./key) would be copied to the store, which everyone on the machine can read.
  secretFile = described ''path of a secret, in quotes and outside the Nix store, such as "/run/secrets/classroom-crypt-key"'' (
    types.addCheck types.str (file: lib.hasPrefix "/" file && !lib.hasPrefix builtins.storeDir file)
  );
}
