# A GPU server: two of its GPUs are for students, and the image has packages of a course.
{
  nixpkgs.config.allowUnfree = true; # NVIDIA's driver

  services.classroom = {
    enable = true;
    domain = "gpu.example.org";
    admins = [ "teacher" ];
    tls.certificate = "/var/lib/certificates/gpu.pem";
    tls.key = "/var/lib/certificates/gpu.key";
    gpu.policy = "devices";
    gpu.devices = [
      "0"
      "1"
    ];
    image.extraPythonPackages = ps: [ ps.einops ];
    student = {
      cpus = 8;
      memory = "48G";
      sharedMemory = "16G";
    };
  };
}
