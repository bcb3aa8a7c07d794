# Host in which every option differs from its default.
{ config, ... }:
{
  services.classroom = {
    enable = true;
    stateVersion = "0.0";
    domain = "class.example.org";
    serversDomain = "servers.example.org";
    site = {
      title = "Machine Learning 2026";
      logLevel = "DEBUG";
    };
    admins = [
      "teacher"
      "assistant"
    ];
    accounts = {
      signup = false;
      approval = false;
      twoFactor = "instructors";
      passwordLength = 14;
      bcryptRounds = 13;
      lockout = {
        tries = 3;
        addressTries = 60;
        duration = 300;
      };
    };
    audit.keep = "90d";
    image.extraPythonPackages = ps: [ ps.einops ];
    images.vision.extraPythonPackages = ps: [ ps.networkx ];
    images.audio.extraPythonPackages = ps: [ ps.tqdm ];
    groups = {
      audio = {
        members = [ "ada" ];
        image = "audio";
        cpus = 4;
        memory = "32G";
        sharedMemory = "8G";
        tmp = "2G";
        processes = 2048;
        environment.COURSE = "audio2026";
        shared = [ "/data/speech" ];
      };
      # Instructors have the highest priority, even if they are in other groups too.
      staff = {
        members = config.services.classroom.admins;
        priority = 10;
        memory = "64G";
      };
    };
    student = {
      image = config.services.classroom.images.vision.reference;
      cpus = 1.5;
      memory = "8G";
      sharedMemory = "2G";
      tmp = "512M";
      processes = 1024;
      startTimeout = "3m";
      stopTimeout = 10;
      environment.COURSE = "ml2026";
    };
    storage = {
      kind = "directory";
      path = "/srv/homes";
      quota = "20G";
      files = 1000000;
    };
    culling = {
      idle = "90m";
      kernelIdle = "2h";
      maxAge = "1d";
      every = "30s";
    };
    docker.prefix = "lab";
    network = {
      name = "lab";
      bridge = "lab0";
      subnet = "10.44.0.0/16";
      apiPort = 9081;
      internet = false;
      allow = [ "10.0.5.0/24" ];
      resolvers = [ "10.0.5.53" ];
    };
    nginx = {
      port = 8443;
      trusted = [ "10.0.0.7" ];
    };
    tls.certificate = "/var/lib/certificates/class.pem";
    tls.key = "/var/lib/certificates/class.key";
    hub.listen = "127.0.0.1:9001";
    proxy = {
      listen = "127.0.0.1:9002";
      api = "127.0.0.1:9003";
    };
    secrets = {
      cookieSecret = "/run/secrets/cookie";
      cryptKey = "/run/secrets/crypt";
      proxyToken = "/run/secrets/proxy";
      cliToken = "/run/secrets/cli";
      metricsToken = "/run/secrets/metrics";
    };
    backup = {
      repository = "sftp:backup@nas.example.org:/classroom";
      passwordFile = "/run/secrets/restic";
      environmentFile = "/run/secrets/restic-sftp";
      homes = false;
      schedule = "Sun 04:00";
      keep.monthly = 6;
    };
    metrics = {
      enable = true;
      nginxPort = 9084;
    };
    settings.culling.enable = false;
  };
  services.prometheus = {
    enable = true;
    listenAddress = "127.0.0.1";
  };
  services.grafana.enable = true;
  fileSystems."/srv" = {
    device = "/dev/disk/by-label/homes";
    fsType = "xfs";
    options = [ "prjquota" ];
  };
  virtualisation.docker.autoPrune.enable = true;
}
