# An image is loaded only when its tag has changed, and an old image is removed when no server uses it.
{
  name = "classroom-images";
  nodes.machine =
    { lib, pkgs, ... }:
    let
      image =
        text:
        pkgs.dockerTools.streamLayeredImage {
          name = "classroom-small";
          contents = [ pkgs.busybox ];
          config = {
            Cmd = [ "/bin/sleep" "1d" ];
            Env = [ "TEXT=${text}" ];
            Labels."org.classroom.keep" = "student";
          };
        };
    in
    {
      imports = [ ./common/class.nix ];
      services.classroom.image.package = image "first";
      specialisation.second.configuration.services.classroom.image.package = lib.mkForce (image "second");
    };
  testScript = ''
    ${builtins.readFile ./common/lib.py}


    def tags() -> list[str]:
        return machine.succeed("docker image ls --quiet classroom-small").split()


    def loads() -> int:
        return int(machine.succeed("journalctl -u classroom-images | grep -c 'loading classroom-small' || true"))


    ready(machine)
    first = tags()
    assert len(first) == 1 and loads() == 1
    machine.succeed("systemctl restart classroom-images")
    assert tags() == first and loads() == 1

    used = machine.succeed(f"docker run --detach --name used {first[0]}")
    machine.succeed("/run/current-system/specialisation/second/bin/switch-to-configuration test")
    machine.wait_until_succeeds("systemctl show --property=Result classroom-images | grep success")
    assert len(tags()) == 2, "a server that runs keeps its image"

    machine.succeed("docker rm --force used")
    machine.succeed("systemctl restart classroom-images")
    assert len(tags()) == 1 and tags() != first

    # Pruning keeps the objects of the class.
    machine.succeed("docker system prune --all --force --filter label!=org.classroom.keep")
    assert len(tags()) == 1
    machine.succeed("docker network inspect classroom")

    machine.succeed("docker image rm --force $(docker image ls --quiet)")
    machine.succeed("systemd-run --wait --uid=classroom sh -c ': > /var/lib/classroom/images-missing'")
    machine.wait_until_succeeds("docker image ls | grep classroom-small", timeout=60)

    # Without the filter the network goes, and comes back as soon as the hub asks for it.
    machine.succeed("docker network rm classroom")
    machine.succeed("systemd-run --wait --uid=classroom sh -c ': > /var/lib/classroom/network-missing'")
    machine.wait_until_succeeds("docker network inspect classroom", timeout=30)
  '';
}
