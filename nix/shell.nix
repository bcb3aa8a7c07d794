# What `make` and the tests use on a machine with Nix.
{
  mkShell,
  gcc,
  gnumake,
  iproute2,
  iptables,
  nftables,
  nginx,
  nodejs,
  python3,
  ruff,
  uv,
}:
mkShell {
  packages = [
    gcc
    gnumake
    iproute2
    iptables
    nftables
    nginx
    nodejs
    python3
    ruff
    uv
  ];
}
