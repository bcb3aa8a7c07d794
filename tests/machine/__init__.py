"""NixOS machines with the class: built by Nix, booted by systemd-nspawn with systemd as process 1, at native speed.

Modules, units, /etc, activation and switch are those of NixOS; the programs are Debian's (programs.nix). They need root
and <nixpkgs>; `make test-machine` runs the tests.
"""
