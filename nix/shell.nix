# Development shell: the programs of `make` and of the tests.
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
