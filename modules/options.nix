# The manual, top to bottom: what the class is, who is in it, what a student gets, how the world reaches it, and what
# runs it. All that settings.json knows has the same name and default here.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    literalExpression
    mkEnableOption
    mkOption
    mkPackageOption
    types
    ;
  own = import ./types.nix { inherit lib; };
  cfg = config.services.classroom;
  classroom = import ../nix { inherit pkgs; };
  port = toString cfg.nginx.port;
  policies = [ "none" "all" "devices" "exclusive" "shared" ];
  isTls = cfg.tls.acme.enable || cfg.tls.certificate != null;
  hasSockets = lib.versionAtLeast cfg.proxy.package.version "5.1";

  mkSecret =
    what:
    mkOption {
      type = types.nullOr own.secretFile;
      default = null;
      example = "/run/secrets/classroom";
      description = "File that holds ${what}; root reads it when a unit starts. Null: made on first start, kept in the state directory.";
    };

  imageOptions =
    { name, config, ... }:
    {
      options = {
        cuda = mkOption {
          type = types.bool;
          default = cfg.gpu.isWanted;
          defaultText = literalExpression "whether `gpu.policy` or a group's gives anybody a GPU";
          description = "PyTorch with CUDA in it, the monitor of GPUs too. It is several gigabytes, and its licence is not free.";
        };
        extraPythonPackages = mkOption {
          type = types.functionTo (types.listOf types.package);
          default = _: [ ];
          defaultText = literalExpression "ps: [ ]";
          example = literalExpression "ps: [ ps.transformers ps.datasets ]";
          description = "Python packages of the course, added to those that every student image has.";
        };
        package = mkOption {
          type = types.package;
          default = classroom.studentImageWith {
            inherit (config) cuda extraPythonPackages;
            name = "classroom-${name}";
          };
          defaultText = literalExpression "the image that `cuda` and `extraPythonPackages` describe";
          description = "The image, made by `dockerTools.streamLayeredImage`. Give another one to replace it altogether.";
        };
        reference = mkOption {
          type = types.str;
          readOnly = true;
          default = "${config.package.imageName}:${config.package.imageTag}";
          defaultText = literalExpression ''"''${package.imageName}:''${package.imageTag}"'';
          description = "What Docker calls it. The tag comes from the contents: an image that changed has another.";
        };
      };
    };

  mkOwn =
    type: what:
    mkOption {
      type = types.nullOr type;
      default = null;
      description = "As `${what}`; null: as for everyone.";
    };

  groupOptions = {
    options = {
      members = mkOption {
        type = types.listOf own.accountName;
        default = [ ];
        example = literalExpression "config.services.classroom.admins";
        description = "Names of accounts. Who is in JupyterHub's group of the same name is a member too: a class list's column `group` says so, and the admin page.";
      };
      priority = mkOption {
        type = types.int;
        default = 0;
        description = "Which group decides for a student of several, key by key: the highest; among equals the first in the alphabet.";
      };
      image = mkOption {
        type = types.nullOr (types.strMatching "[a-z0-9][^[:space:]]*");
        default = null;
        example = "vision";
        description = "The image of their servers: a name of `images`, or a reference with a tag that you have loaded yourself; null: as for everyone.";
      };
      cpus = mkOwn (types.addCheck types.number (value: value > 0 && value <= 1024)) "student.cpus";
      memory = mkOwn own.size "student.memory";
      sharedMemory = mkOwn own.size "student.sharedMemory";
      tmp = mkOwn own.size "student.tmp";
      processes = mkOwn (types.addCheck types.int (value: value >= 64)) "student.processes";
      environment = mkOption {
        type = types.attrsOf types.str;
        default = { };
        description = "Variables for their servers, beside and before those of `student.environment`.";
      };
      gpu = {
        policy = mkOwn (types.enum policies) "gpu.policy";
        devices = mkOwn (types.listOf types.str) "gpu.devices";
        perStudent = mkOwn (types.ints.between 1 64) "gpu.perStudent";
        studentsPerDevice = mkOwn (types.ints.between 1 1000) "gpu.studentsPerDevice";
        longestLease = mkOwn own.duration "gpu.longestLease";
        idle = mkOwn own.duration "gpu.idle";
        notice = mkOwn own.duration "gpu.notice";
      };
      shared = mkOption {
        type = types.listOf own.folder;
        default = [ ];
        example = [ "/srv/data/faces" ];
        description = "Folders of this machine that their servers see, read-only, below `shared` in the home, each by its own name: `shared/faces`. A store path will do.";
      };
    };
  };
in
{
  imports = [
    (lib.mkRemovedOptionModule [ "services" "classroom" "gpu" "count" ]
      ''Docker never picks a free GPU: a count of 1 hands GPU 0 to everyone. Write services.classroom.gpu.policy = "exclusive"; for GPUs of each student's own (gpu.perStudent), or policy = "all";''
    )
  ];

  options.services.classroom = {
    enable = mkEnableOption "a JupyterHub class: sign-up in the browser, approval by an instructor, a container for each student";

    # What it is called and where browsers find it

    domain = mkOption {
      type = types.nullOr (types.strMatching "[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+");
      default = null;
      example = "hub.example.org";
      description = "Host name of the class. Null: whatever name a browser uses, without TLS; for trying it out.";
    };

    site = {
      title = mkOption {
        type = types.strMatching ".{1,60}";
        default = "Classroom";
        example = "Machine Learning 2026";
        description = "Shown on every page.";
      };
      externalUrl = mkOption {
        type = types.strMatching "(https?://[^/[:space:]]+/?)?";
        default =
          if cfg.domain == null then
            ""
          else if cfg.tunnel.enable then
            "https://${cfg.domain}/"
          else if isTls then
            "https://${cfg.domain}${lib.optionalString (cfg.nginx.port != 443) ":${port}"}/"
          else
            "http://${cfg.domain}${lib.optionalString (cfg.nginx.port != 80) ":${port}"}/";
        defaultText = literalExpression "made of `domain`, `tls`, `tunnel` and `nginx.port`";
        description = "The address that browsers use. Empty, as without a domain: whatever address a browser has used.";
      };
      logLevel = mkOption {
        type = types.enum [ "DEBUG" "INFO" "WARNING" "ERROR" ];
        default = "INFO";
        description = "How much the hub logs: `journalctl -u classroom-hub`.";
      };
    };

    # Who is in it

    admins = mkOption {
      type = types.listOf own.accountName;
      default = [ ];
      example = [ "teacher" ];
      description = ''
        The instructors. They cannot sign up: their accounts are made when the hub starts, each with a one-time
        password in `/var/lib/classroom/secrets/first-password-NAME`, which only root reads.
      '';
    };

    accounts = {
      signup = mkOption {
        type = types.bool;
        default = true;
        description = "Students may sign up in the browser; off, the instructor makes accounts.";
      };
      approval = mkOption {
        type = types.bool;
        default = true;
        description = "An instructor approves each sign-up before the first login.";
      };
      passwordLength = mkOption {
        type = types.ints.between 8 64;
        default = 10;
        description = "Least number of characters of a password.";
      };
      bcryptRounds = mkOption {
        type = types.ints.between 10 16;
        default = 12;
        description = "Cost of a password hash: each step more doubles the time of a login.";
      };
      lockout = {
        tries = mkOption {
          type = types.ints.positive;
          default = 5;
          description = "Wrong passwords for one name from one address before that pair is locked.";
        };
        addressTries = mkOption {
          type = types.ints.positive;
          default = 100;
          description = "Wrong passwords from one address, whatever the names: a whole class may sit behind one.";
        };
        duration = mkOption {
          type = own.duration;
          default = "10m";
          description = "How long a lock lasts.";
        };
      };
    };

    # What a student gets

    image = mkOption {
      type = types.submodule imageOptions;
      default = { };
      example = literalExpression "{ extraPythonPackages = ps: [ ps.transformers ]; }";
      description = "The image of the students' servers.";
    };

    images = mkOption {
      type = types.attrsOf (types.submodule imageOptions);
      default = { };
      example = literalExpression "{ vision.extraPythonPackages = ps: [ ps.opencv4 ]; }";
      description = "More images by name, loaded beside the first: for `groups.<name>.image`, or set `student.image` to the `reference` of one.";
    };

    student = {
      image = mkOption {
        type = types.strMatching "[a-z0-9][^[:space:]]*";
        default = cfg.image.reference;
        defaultText = literalExpression "config.services.classroom.image.reference";
        description = "Which image: a `reference` of those above, or one that you have loaded yourself. It is never pulled.";
      };
      cpus = mkOption {
        type = types.addCheck types.number (value: value > 0 && value <= 1024);
        default = 2;
        description = "Processor time, in cores.";
      };
      memory = mkOption {
        type = own.size;
        default = "4G";
        description = "Memory; there is no swap beyond it.";
      };
      sharedMemory = mkOption {
        type = own.size;
        default = "1G";
        description = "`/dev/shm`, which PyTorch's data loaders use.";
      };
      tmp = mkOption {
        type = own.size;
        default = "1G";
        description = "`/tmp`, in memory: it counts as memory while it is used.";
      };
      processes = mkOption {
        type = types.addCheck types.int (value: value >= 64);
        default = 512;
        description = "Processes and threads; at least 64.";
      };
      startTimeout = mkOption {
        type = own.duration;
        default = "2m";
        description = "How long a server may take to answer.";
      };
      stopTimeout = mkOption {
        type = own.duration;
        default = "5s";
        description = "How long a server may take to stop before it is killed.";
      };
      environment = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = { HF_HUB_OFFLINE = "1"; };
        description = "Variables for every server, never a secret: students read them.";
      };
    };

    storage = {
      kind = mkOption {
        type = types.enum [ "volumes" "directory" ];
        default = "volumes";
        description = "Where homes are. volumes: a named volume of Docker each. directory: a folder each, below `storage.path`. A home is kept when its student is removed, and nobody else is given it.";
      };
      path = mkOption {
        type = types.nullOr own.folder;
        default = null;
        example = "/srv/homes";
        description = "With kind directory: the folder that holds the homes, root's alone. It is made where it is missing; on a disk of its own it waits for the mount.";
      };
      quota = mkOption {
        type = types.nullOr own.size;
        default = null;
        example = "20G";
        description = ''With kind directory: how much a home may hold; students see it in `df`. Null: as much as the disk. It takes a file system with project quotas: XFS or ext4 with `fileSystems."/srv".options = [ "prjquota" ];`, ext4 made by `mkfs.ext4 -O project,quota -E quotatype=prjquota`.'';
      };
      files = mkOption {
        type = types.nullOr (types.ints.between 1000 4294967295);
        default = null;
        example = 1000000;
        description = "With a quota: how many files and folders a home may hold. Null: as many as there is room for.";
      };
    };

    gpu = {
      policy = mkOption {
        type = types.enum policies;
        default = "none";
        example = "exclusive";
        description = ''
          Which GPUs students see. `none`: no driver is needed. `all`: everyone sees every GPU. `devices`: everyone sees
          those in `gpu.devices`. `exclusive`: each student has GPUs that nobody else has. `shared`: a few students on
          each GPU, the least used one first.
        '';
      };
      devices = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "0" "1" ];
        description = ''
          With policy `devices`: indexes, UUIDs or full CDI names, such as `"0"` or `"nvidia.com/gpu=0"`. With
          `exclusive` and `shared`: hand out only these; empty means all that the machine has.
        '';
      };
      perStudent = mkOption {
        type = types.ints.between 1 64;
        default = 1;
        description = "With policy `exclusive`: GPUs (or MIG instances) for each student.";
      };
      studentsPerDevice = mkOption {
        type = types.ints.between 1 1000;
        default = 2;
        description = "With policy `shared`: most students on one GPU. They share its memory: nothing keeps one from taking it all.";
      };
      offer = mkOption {
        type = own.duration;
        default = "2m";
        description = "When all GPUs are in use students wait in line. Who does not open the server for so long when it is their turn loses it to the next.";
      };
      longestWait = mkOption {
        type = own.duration;
        default = "4h";
        description = "How long a place in line is kept at most.";
      };
      preferLeastUsed = mkOption {
        type = types.bool;
        default = false;
        description = "Who has used GPUs least in the last seven days, in whole hours, is first in line; off, who came first.";
      };
      longestLease = mkOption {
        type = own.duration;
        default = "0s";
        example = "4h";
        description = "Who has had a GPU for this long is told, and the server stopped, if others wait for it; 0 means never.";
      };
      idle = mkOption {
        type = own.duration;
        default = "0s";
        example = "45m";
        description = ''
          Who has run nothing on their GPU for this long is told, and the server stopped; 0 means never. The unit
          `classroom-gpus` measures it.
        '';
      };
      notice = mkOption {
        type = own.duration;
        default = "10m";
        description = "How long before a server is stopped for its GPU the student is told in the notebook; what is open is saved.";
      };
      mps = {
        enable = mkOption {
          type = types.bool;
          default = false;
          description = ''
            CUDA's Multi-Process Service, for students with policy `shared`, `devices` or `all`: programs on one GPU run
            at once, and not in turns. It isolates nothing, and one program's fault ends the others (docs/how-to/gpus.md). The
            unit `classroom-mps` runs it; to restart that ends what computes.
          '';
        };
        memory = mkOption {
          type = types.nullOr own.size;
          default = null;
          example = "8G";
          description = "The most of a GPU's memory that each program may take; null: all of it. A student may run several.";
        };
      };
      cdiDirs = mkOption {
        type = types.nonEmptyListOf (types.strMatching "/.+");
        default = [ "/etc/cdi" "/var/run/cdi" ];
        description = "Where the driver's toolkit writes what the GPUs are called; the same folders as the engine's.";
      };
      driver = mkOption {
        type = types.bool;
        default = cfg.gpu.isWanted;
        defaultText = literalExpression "whether `gpu.policy` or a group's gives anybody a GPU";
        description = ''
          Set up NVIDIA's driver (open kernel modules, for Turing and newer) and the container toolkit. The driver's
          licence is not free: set `nixpkgs.config.allowUnfree` as well. Off: you have set up both yourself.
        '';
      };
    };

    gpu.isWanted = mkOption {
      type = types.bool;
      internal = true;
      readOnly = true;
      default = lib.any (policy: policy != null && policy != "none") (
        [ cfg.gpu.policy ] ++ lib.mapAttrsToList (_: group: group.gpu.policy) cfg.groups
      );
      description = "Whether anybody may have a GPU.";
    };

    groups = mkOption {
      type = types.attrsOf (types.submodule groupOptions);
      default = { };
      example = literalExpression ''
        {
          ml2026 = {
            image = "vision";
            memory = "32G";
            gpu.perStudent = 2;
            shared = [ "/srv/data/faces" ];
          };
        }
      '';
      description = "Students who get something else than everyone, by the name of their group (docs/how-to/groups.md).";
    };

    culling = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = "Stop idle servers. Files are never touched.";
      };
      idle = mkOption {
        type = own.duration;
        default = "1h";
        description = "A server without a running cell, a saved file or a key pressed for this long is stopped.";
      };
      kernelIdle = mkOption {
        type = own.duration;
        default = "1h";
        description = "A kernel idle for this long is stopped, which frees its memory and its GPU; 0 means never.";
      };
      maxAge = mkOption {
        type = own.duration;
        default = "0s";
        description = "A server older than this is stopped even if it is busy; 0 means never.";
      };
      every = mkOption {
        type = own.duration;
        default = "1m";
        description = "How often to look.";
      };
    };

    docker.prefix = mkOption {
      type = types.strMatching "[a-z0-9][a-z0-9._-]{0,31}";
      default = "classroom";
      description = "How names of containers and homes begin. A second class on the same engine needs another: homes go by name.";
    };

    network = {
      name = mkOption {
        type = types.strMatching "[a-zA-Z0-9][a-zA-Z0-9_.-]*";
        default = "classroom";
        description = "Docker's name for the class network.";
      };
      bridge = mkOption {
        type = types.strMatching "[a-zA-Z0-9_.-]{1,15}";
        default = "classroom0";
        description = "The bridge's interface.";
      };
      subnet = mkOption {
        type = own.ipv4Network;
        default = "10.213.0.0/20";
        description = "Addresses of the containers; the first is the host's side of the bridge.";
      };
      apiPort = mkOption {
        type = types.port;
        default = 8081;
        description = "Port on the bridge's gateway where containers reach `/hub/api/`, and nothing else of this machine.";
      };
      internet = mkOption {
        type = types.bool;
        default = true;
        description = "Containers may reach public addresses. Cloud metadata and private networks they never may.";
      };
      allow = mkOption {
        type = types.listOf own.ipv4Network;
        default = [ ];
        example = [ "10.0.5.0/24" ];
        description = "Private networks that containers may reach after all (a licence server, a data store).";
      };
      resolvers = mkOption {
        type = types.listOf own.ipv4;
        default = [ ];
        example = [ "192.168.1.1" ];
        description = "Name servers for the containers; empty means the machine's own.";
      };
    };

    # How the world reaches it

    nginx = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = ''
          Nginx for browsers. Off, another web server of yours takes its place and reaches the class at `proxy.listen`;
          the server for the containers stays.
        '';
      };
      port = mkOption {
        type = types.port;
        default = if isTls then 443 else 80;
        defaultText = literalExpression "443 with TLS, else 80";
        description = "Port for browsers. With TLS and port 443, port 80 redirects there.";
      };
      openFirewall = mkOption {
        type = types.bool;
        default = !cfg.tunnel.enable;
        defaultText = literalExpression "!config.services.classroom.tunnel.enable";
        description = "Open that port, and port 80 for certificates and redirects.";
      };
      trusted = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "10.0.0.7" ];
        description = "Load balancers or tunnels in front, whose word on a browser's address and scheme counts.";
      };
      clientHeader = mkOption {
        type = types.enum [ "X-Forwarded-For" "CF-Connecting-IP" ];
        default = "X-Forwarded-For";
        description = "The header in which they name the browser's address.";
      };
    };

    tls = {
      acme = {
        enable = mkEnableOption "a certificate from Let's Encrypt, by HTTP on port 80";
        email = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "admin@example.org";
          description = "Where Let's Encrypt writes to. To give it is to accept their terms of service.";
        };
      };
      certificate = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "/var/lib/certificates/hub.pem";
        description = "A certificate of your own, with its chain, in PEM; Nginx's user must be able to read it.";
      };
      key = mkOption {
        type = types.nullOr own.secretFile;
        default = null;
        example = "/var/lib/certificates/hub.key";
        description = "Its private key, in PEM.";
      };
    };

    tunnel = {
      enable = mkEnableOption "Cloudflare Tunnel: no open port, TLS ends at Cloudflare";
      id = mkOption {
        type = types.nullOr (types.strMatching "[0-9a-f-]{36}");
        default = null;
        example = "00000000-0000-0000-0000-000000000000";
        description = "The tunnel's UUID, from `cloudflared tunnel create`.";
      };
      credentialsFile = mkOption {
        type = types.nullOr own.secretFile;
        default = null;
        example = "/run/secrets/cloudflared.json";
        description = "The credentials that the same command wrote.";
      };
    };

    # What runs it

    package = mkOption {
      type = types.package;
      default = classroom.classroom;
      defaultText = literalExpression "classroom, from this project";
      description = "The `classroom` command with the hub.";
    };

    hub.listen = mkOption {
      type = own.tcpListen;
      default = "127.0.0.1:8081";
      description = "The hub's own listener. JupyterHub believes X-Forwarded-For from anyone, so nobody but Nginx may reach it.";
    };

    proxy = {
      package = mkPackageOption pkgs "configurable-http-proxy" { };
      listen = mkOption {
        type = own.listen;
        default = if hasSockets then "unix:/run/classroom/proxy.sock" else "127.0.0.1:8082";
        defaultText = literalExpression ''"unix:/run/classroom/proxy.sock", or "127.0.0.1:8082" before version 5.1 of the proxy'';
        description = "Where Nginx reaches the proxy.";
      };
      api = mkOption {
        type = own.listen;
        default = if hasSockets then "unix:/run/classroom/proxy-api.sock" else "127.0.0.1:8083";
        defaultText = literalExpression ''"unix:/run/classroom/proxy-api.sock", or "127.0.0.1:8083" before version 5.1 of the proxy'';
        description = "Where the hub tells the proxy its routes; it takes a token.";
      };
    };

    secrets = {
      cookieSecret = mkSecret "what signs cookies (64 hexadecimal digits)";
      cryptKey = mkSecret "what encrypts auth state (64 hexadecimal digits; several, separated by semicolons, to change it)";
      proxyToken = mkSecret "what the hub shows the proxy";
      cliToken = mkSecret "what the `classroom` command shows the hub";
      metricsToken = mkSecret "what a collector shows for `/hub/metrics`, and for nothing else";
    };

    backup = {
      repository = mkOption {
        type = types.nullOr (types.strMatching ".+");
        default = null;
        example = "sftp:backup@nas.example.org:/classroom";
        description = "Where restic keeps the backups: a folder, or whatever else it can reach; made if it is not there. Null: no backup by itself, and `classroom backup create PLACE` by hand.";
      };
      passwordFile = mkOption {
        type = types.nullOr own.secretFile;
        default = null;
        example = "/run/secrets/restic";
        description = "The password of the repository. Keep a copy elsewhere: without it a backup is worth nothing.";
      };
      environmentFile = mkOption {
        type = types.nullOr own.secretFile;
        default = null;
        example = "/run/secrets/restic-s3";
        description = "What the repository's service wants besides, as `NAME=value` lines.";
      };
      homes = mkOption {
        type = types.bool;
        default = true;
        description = "The students' homes too, not only accounts, secrets and settings.";
      };
      schedule = mkOption {
        type = types.str;
        default = "*-*-* 03:30:00";
        description = "When, as systemd's `OnCalendar=` has it.";
      };
      keep = {
        daily = mkOption {
          type = types.ints.positive;
          default = 7;
          description = "The last backup of each of so many days is kept.";
        };
        weekly = mkOption {
          type = types.ints.unsigned;
          default = 5;
          description = "The last one of each of so many weeks.";
        };
        monthly = mkOption {
          type = types.ints.unsigned;
          default = 12;
          description = "The last one of each of so many months.";
        };
      };
    };

    metrics = {
      enable = mkEnableOption "exporters for Prometheus on loopback: of the machine (port 9100), Nginx (9113) and, from NixOS 25.05 on and with a GPU policy, the GPUs (9835). Where `services.prometheus` or `services.grafana` are on, they find these, the hub's own and the dashboards by themselves";
      nginxPort = mkOption {
        type = types.port;
        default = 8084;
        description = "Port on loopback where Nginx counts its connections, for its exporter.";
      };
    };

    settings = mkOption {
      type = (pkgs.formats.json { }).type;
      default = { };
      example = { culling.every = "30s"; };
      description = "Merged into settings.json last (docs/reference/settings.md): for a key that has no option here.";
    };

    settingsFile = mkOption {
      type = types.package;
      readOnly = true;
      description = "The settings.json that hub and proxy run with, accepted by `classroom check`.";
    };
  };
}
