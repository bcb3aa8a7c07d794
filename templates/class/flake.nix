{
  description = "A GPU server for a class";

  # The address of your copy of the project. Its nixpkgs is the one that its tests use.
  inputs.classroom.url = "git+https://git.example.org/classroom";

  outputs =
    { classroom, ... }:
    {
      nixosConfigurations.server = classroom.inputs.nixpkgs.lib.nixosSystem {
        system = "x86_64-linux"; # "aarch64-linux" for DGX Spark and Grace
        modules = [
          classroom.nixosModules.default
          ./hardware-configuration.nix # nixos-generate-config --show-hardware-config
          ./configuration.nix
        ];
      };
    };
}
