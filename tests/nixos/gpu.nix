# GPUs without a driver: a substitute for nvidia-ctk writes the specification, and Docker attaches the devices to
# containers. A driver that does not load stops nothing else.
{
  name = "classroom-gpu";
  nodes.machine =
    {
      config,
      lib,
      pkgs,
      ...
    }:
    let
      device = name: {
        inherit name;
        containerEdits.env = [ "FAKE_GPU=${name}" ];
      };
      spec = pkgs.writeText "cdi.json" (
        builtins.toJSON {
          cdiVersion = "0.5.0";
          kind = "nvidia.com/gpu";
          devices = map device [ "0" "1" "all" ];
          containerEdits = {
            hooks = [ ];
            mounts = [ ];
          };
        }
      );
      ctk = text: pkgs.writeShellApplication { name = "nvidia-ctk"; inherit text; };
    in
    {
      imports = [ ./common/class.nix ];
      services.classroom.gpu = {
        policy = "devices";
        devices = [ "1" ];
        driver = false;
      };
      services.classroom.image.cuda = false;
      hardware.nvidia-container-toolkit = {
        enable = true;
        package = ctk "cat ${spec}";
        suppressNvidiaDriverAssertion = true;
      };
      # The specification names its paths and keeps only existing ones, so nothing unfree is built.
      hardware.nvidia = {
        open = true;
        package = config.boot.kernelPackages.nvidiaPackages.stable.open;
      };
      specialisation.broken.configuration.hardware.nvidia-container-toolkit.package = lib.mkForce (
        ctk "echo 'no driver is loaded' >&2; exit 1"
      );
    };
  testScript = ''
    ${builtins.readFile ./common/lib.py}
    ready(machine)
    machine.wait_for_unit("nvidia-container-toolkit-cdi-generator")
    begin_work(machine)
    container = machine.succeed("docker ps --quiet --filter label=org.classroom.user=ada").strip()
    assert "FAKE_GPU=1" in machine.succeed(f"docker exec {container} env")
    end_work(machine)

    machine.succeed("/run/current-system/specialisation/broken/bin/switch-to-configuration boot")
    machine.shutdown()
    machine.start()
    ready(machine)
    machine.fail("systemctl is-active nvidia-container-toolkit-cdi-generator")
  '';
}
