# A class for the suites of test_behaviour.py: simulated GPUs, and the package index of the world outside
# (tests/stack/world.py).
{
  imports = [ ../nixos/common/gpus.nix ];

  # The module opens it if `network.domains` is set. The suite sets them later.
  networking.firewall.interfaces.classroom0 = {
    allowedTCPPorts = [ 53 ];
    allowedUDPPorts = [ 53 ];
  };
  services.classroom = {
    # Links of sign-up codes name it.
    site.externalUrl = "http://127.0.0.1/";
    network.resolvers = [ "10.99.0.53" ];
    student.environment = {
      PIP_INDEX_URL = "http://203.0.113.10/simple/";
      PIP_TRUSTED_HOST = "203.0.113.10";
    };
  };
}
