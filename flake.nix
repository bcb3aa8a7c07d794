{
  description = "JupyterHub for a class on a GPU server";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEachSystem = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      hosts =
        system:
        lib.mapAttrs (
          _: host:
          lib.nixosSystem {
            inherit system;
            modules = [
              self.nixosModules.default
              ./tests/nix/machine.nix
              host
            ];
          }
        ) (nixFiles ./tests/hosts);
      nixFiles =
        folder:
        lib.mapAttrs' (file: _: lib.nameValuePair (lib.removeSuffix ".nix" file) (folder + "/${file}")) (
          lib.filterAttrs (name: _: lib.hasSuffix ".nix" name) (builtins.readDir folder)
        );
    in
    {
      packages = forEachSystem (pkgs: import ./nix/packages.nix { inherit pkgs; });
      apps = forEachSystem (pkgs: import ./nix/apps.nix { inherit pkgs nixpkgs; });
      devShells = forEachSystem (pkgs: {
        default = pkgs.callPackage ./nix/shell.nix { };
      });
      formatter = forEachSystem (pkgs: pkgs.nixfmt-tree or pkgs.nixfmt-rfc-style);
      checks = forEachSystem (pkgs: import ./nix/checks.nix { inherit pkgs self hosts nixFiles; });

      nixosModules.default.imports = [ ./modules ];
      overlays.default = final: _: { inherit (import ./nix { pkgs = final; }) classroom; };

      nixosConfigurations = hosts "x86_64-linux";

      templates.default = {
        path = ./templates/class;
        description = "A GPU server for a class";
      };
    };
}
