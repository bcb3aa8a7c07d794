# Assertions for mistakes that evaluation can find. Each message has the state, the reason, and the line to write.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.classroom;
  ipv4 = import ./ipv4.nix { inherit lib; };
  version = import ../nix/version.nix { inherit lib; };
  isTls = cfg.tls.acme.enable || cfg.tls.certificate != null;
  nvidia = config.hardware.nvidia-container-toolkit;

  portOf = listen: lib.toInt (lib.last (lib.splitString ":" listen));
  # Nginx listens on all addresses.
  ports =
    map (listen: { name = "hub.listen"; port = portOf listen; }) [ cfg.hub.listen ]
    ++ lib.concatMap
      (name: lib.optional (!lib.hasPrefix "unix:" cfg.proxy.${name}) { name = "proxy.${name}"; port = portOf cfg.proxy.${name}; })
      [ "listen" "api" ]
    ++ lib.optional cfg.metrics.enable { name = "metrics.nginxPort"; port = cfg.metrics.nginxPort; };
  world = lib.optional cfg.nginx.enable { name = "nginx.port"; inherit (cfg.nginx) port; };
  gateway = [ { name = "network.apiPort"; port = cfg.network.apiPort; } ];
  pairs = list: lib.concatLists (lib.imap0 (i: a: map (b: [ a b ]) (lib.drop (i + 1) list)) list);
  taken = lib.filter (pair: (lib.head pair).port == (lib.last pair).port) (
    pairs (ports ++ world) ++ lib.concatMap (a: map (b: [ a b ]) gateway) world
  );

  gpus =
    if cfg.gpu.policy != "none" then ''gpu.policy is "${cfg.gpu.policy}"'' else "groups give GPUs to students";

  # As nixpkgs asks: a predicate may read any of these.
  acceptsCuda =
    (pkgs.config.allowUnfree or false)
    || (pkgs.config.allowUnfreePredicate or (_: false)) {
      pname = "cuda_cudart";
      name = "cuda_cudart-0";
      version = "0";
      meta.license = lib.licenses.nvidiaCuda;
    };

  policies = [ cfg.gpu.policy ] ++ lib.mapAttrsToList (_: group: group.gpu.policy) cfg.groups;

  # A reference has a tag or a digest; a name is a name of `images`.
  unknown = lib.filterAttrs (
    _: group: group.image != null && !cfg.images ? ${group.image} && builtins.match ".*[:@].*" group.image == null
  ) cfg.groups;

  valid = ipv4.valid cfg.network.subnet;
  inherit (config.virtualisation.docker) autoPrune;
  docker = config.virtualisation.docker.daemon.settings;
  others =
    lib.concatLists (
      lib.mapAttrsToList (
        name: interface:
        map (address: {
          what = "networking.interfaces.${name}";
          network = "${address.address}/${toString address.prefixLength}";
        }) interface.ipv4.addresses
      ) config.networking.interfaces
    )
    ++ [
      {
        what = "Docker's own bridge";
        network = docker.bip or "172.17.0.1/16";
      }
    ];
  collisions = lib.filter (other: valid && ipv4.overlap cfg.network.subnet other.network) others;

  # Of a group, NixOS reads only this.
  read =
    name: values:
    if name == "groups" then
      lib.filterAttrs (_: group: group != [ null null ]) (
        lib.mapAttrs (_: group: [ (group.image or null) (group.gpu.policy or null) ]) values.groups
      )
    else
      lib.getAttrFromPath (lib.splitString "." name) values;
  split = lib.filter (name: read name cfg.settings != read name cfg) (import ./options/host.nix);

  # The file system of storage.path, if the configuration names it.
  below = path: mount: mount == "/" || path == mount || lib.hasPrefix "${mount}/" path;
  disk = lib.last (
    [ null ]
    ++ lib.sort (a: b: lib.stringLength a.mountPoint < lib.stringLength b.mountPoint) (
      lib.filter (fs: cfg.storage.path != null && below cfg.storage.path fs.mountPoint) (lib.attrValues config.fileSystems)
    )
  );
  isUnbounded =
    cfg.storage.quota != null
    && disk != null
    && lib.elem disk.fsType [ "xfs" "ext4" "btrfs" "zfs" "tmpfs" "f2fs" "bcachefs" ]
    && lib.intersectLists disk.options [ "prjquota" "pquota" ] == [ ];
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = lib.versionAtLeast version cfg.stateVersion;
        message = ''services.classroom.stateVersion is "${cfg.stateVersion}", and this is version ${version}: a class cannot have begun with a later one. Write services.classroom.stateVersion = "${lib.versions.majorMinor version}";'';
      }
      {
        assertion = cfg.admins != [ ];
        message = ''services.classroom.admins is empty, so nobody can approve students. Write services.classroom.admins = [ "teacher" ];'';
      }
      {
        assertion = cfg.tls.acme.enable -> cfg.domain != null;
        message = ''services.classroom.tls.acme is enabled without a domain, but a certificate needs one. Write services.classroom.domain = "hub.example.org";'';
      }
      {
        assertion = cfg.tls.acme.enable -> config.security.acme.defaults.email != null;
        message = ''services.classroom.tls.acme is enabled without an email address, but Let's Encrypt requires one. Write services.classroom.tls.acme.email = "admin@example.org";'';
      }
      {
        assertion = !(cfg.tls.acme.enable && cfg.tls.certificate != null);
        message = "services.classroom.tls has both acme and a certificate, but Nginx can use only one. Remove tls.certificate and tls.key, or write services.classroom.tls.acme.enable = false;";
      }
      {
        assertion = cfg.site.origins != "one" -> cfg.domain != null;
        message = ''services.classroom.site.origins is "${cfg.site.origins}", which needs the host name of the hub. Write services.classroom.domain = "hub.example.org";'';
      }
      {
        assertion = cfg.site.origins == "two" -> cfg.serversDomain != null && cfg.serversDomain != cfg.domain;
        message = ''services.classroom.site.origins is "two", which needs a second host name of this machine. Write services.classroom.serversDomain = "servers.example.org";'';
      }
      {
        assertion = cfg.site.origins == "each" && cfg.tls.acme.enable -> cfg.tls.acme.dnsProvider != null;
        message = ''services.classroom.site.origins is "each", but Let's Encrypt gives no certificate for *.${toString cfg.domain} by HTTP. Write services.classroom.tls.acme = { dnsProvider = "cloudflare"; environmentFile = "/run/secrets/dns"; };'';
      }
      {
        assertion = cfg.tls.acme.dnsProvider != null -> cfg.tls.acme.environmentFile != null;
        message = ''services.classroom.tls.acme.dnsProvider has no credentials. Write services.classroom.tls.acme.environmentFile = "/run/secrets/dns";'';
      }
      {
        assertion = (cfg.tls.certificate == null) == (cfg.tls.key == null);
        message = ''services.classroom.tls has ${if cfg.tls.key == null then "a certificate without its key" else "a key without its certificate"}. Write services.classroom.tls.${if cfg.tls.key == null then "key" else "certificate"} = "/path/to/file.pem";'';
      }
      {
        assertion = !(cfg.tunnel.enable && isTls);
        message = "services.classroom.tunnel and services.classroom.tls are both enabled. TLS already ends at Cloudflare, so browsers would be redirected endlessly. Remove services.classroom.tls;";
      }
      {
        assertion = cfg.tunnel.enable -> cfg.domain != null && cfg.nginx.enable;
        message = ''services.classroom.tunnel is enabled without a domain or without Nginx, but it needs both. Write services.classroom.domain = "hub.example.org"; and services.classroom.nginx.enable = true;'';
      }
      {
        assertion = cfg.tunnel.enable -> cfg.tunnel.id != null && cfg.tunnel.credentialsFile != null;
        message = ''services.classroom.tunnel has no id or no credentialsFile. `cloudflared tunnel create` prints both. Write services.classroom.tunnel = { id = "…"; credentialsFile = "/run/secrets/cloudflared.json"; };'';
      }
      {
        assertion = cfg.gpu.policy == "devices" -> cfg.gpu.devices != [ ];
        message = ''services.classroom.gpu.policy is "devices", but gpu.devices is empty, so students would get no GPU. Write services.classroom.gpu.devices = [ "0" ];'';
      }
      {
        assertion = cfg.gpu.devices != [ ] -> lib.elem cfg.gpu.policy [ "devices" "exclusive" "shared" ];
        message = ''services.classroom.gpu.devices is set, but policy "${cfg.gpu.policy}" takes no devices. Write services.classroom.gpu.policy = "devices";'';
      }
      {
        assertion = cfg.gpu.mps.enable -> lib.any (policy: lib.elem policy [ "all" "devices" "shared" ]) policies;
        message = ''services.classroom.gpu.mps is enabled, but no policy lets students share a GPU. Write services.classroom.gpu.policy = "shared";'';
      }
      {
        assertion = cfg.gpu.mps.memory != null -> cfg.gpu.mps.enable;
        message = "services.classroom.gpu.mps.memory is set, but it limits only programs of the service, which is off. Write services.classroom.gpu.mps.enable = true;";
      }
      {
        assertion = cfg.gpu.loadsCuda -> acceptsCuda;
        message = "services.classroom.image.cuda is on, so the students' image contains NVIDIA's CUDA, whose licence is not free (https://docs.nvidia.com/cuda/eula). To accept it, write nixpkgs.config.allowUnfree = true; otherwise write services.classroom.image.cuda = false;";
      }
      {
        assertion = cfg.gpu.isWanted -> nvidia.enable;
        message = "services.classroom.${gpus}, but the container toolkit is off, so Docker cannot find the GPUs. Write services.classroom.gpu.driver = true; or hardware.nvidia-container-toolkit.enable = true;";
      }
      {
        assertion =
          cfg.gpu.isWanted && nvidia.enable
          ->
            lib.elem "nvidia" config.services.xserver.videoDrivers
            || config.hardware.nvidia.datacenter.enable
            || (nvidia.suppressNvidiaDriverAssertion or false);
        message = "services.classroom.${gpus}, but no NVIDIA driver is enabled. Write services.classroom.gpu.driver = true; or services.xserver.videoDrivers = [ \"nvidia\" ];";
      }
      {
        assertion = split == [ ];
        message = lib.concatMapStringsSep " " (
          name:
          "services.classroom.settings.${name} differs from services.classroom.${name}, which NixOS reads for Nginx, units or the firewall. Write services.classroom.${name} = … instead."
        ) split;
      }
      {
        assertion = unknown == { };
        message = lib.concatStringsSep " " (
          lib.mapAttrsToList (
            name: group:
            ''services.classroom.groups.${name}.image: no image has the name ${group.image} (images: ${
              lib.concatStringsSep ", " (lib.attrNames cfg.images ++ lib.optional (cfg.images == { }) "none")
            }). Write services.classroom.images.${group.image} = { };''
          ) unknown
        );
      }
      {
        assertion = valid;
        message = ''services.classroom.network.subnet "${cfg.network.subnet}" is not a network, because the bits after its prefix are not 0. Write services.classroom.network.subnet = "10.213.0.0/20";'';
      }
      {
        assertion = valid -> (ipv4.parse cfg.network.subnet).prefix <= 28;
        message = ''services.classroom.network.subnet "${cfg.network.subnet}" has room for fewer than 13 containers. Write services.classroom.network.subnet = "10.213.0.0/20";'';
      }
      {
        assertion = collisions == [ ];
        message = ''services.classroom.network.subnet "${cfg.network.subnet}" collides with ${lib.concatMapStringsSep ", " (other: "${other.what} (${other.network})") collisions}, so packets would reach the wrong network. Write services.classroom.network.subnet = "10.214.0.0/20"; or another that is free.'';
      }
      {
        assertion = lib.versionAtLeast cfg.proxy.package.version "5.1";
        message = "services.classroom.proxy.package is version ${cfg.proxy.package.version}, which has no Unix sockets and leaks memory. Remove services.classroom.proxy.package;";
      }
      {
        assertion = taken == [ ];
        message = "services.classroom uses port ${toString (lib.head (lib.head (taken ++ [ [ { port = 0; } ] ]))).port} twice (${lib.concatMapStringsSep "; " (lib.concatMapStringsSep " and " (use: use.name)) taken}). Write another services.classroom.${(lib.head (lib.head (taken ++ [ [ { name = "nginx.port"; } ] ]))).name};";
      }
      {
        assertion = (cfg.storage.kind == "directory") -> cfg.storage.path != null;
        message = ''services.classroom.storage.kind is "directory", but storage.path is not set. Write services.classroom.storage.path = "/srv/homes";'';
      }
      {
        assertion = cfg.storage.kind == "volumes" -> cfg.storage.path == null && cfg.storage.quota == null && cfg.storage.files == null;
        message = ''services.classroom.storage has a path, quota or files, but storage.kind is "volumes", and volumes have none of them. Write services.classroom.storage.kind = "directory";'';
      }
      {
        assertion = cfg.storage.files != null -> cfg.storage.quota != null;
        message = ''services.classroom.storage.files is set without storage.quota, but both limits are set together. Write services.classroom.storage.quota = "20G";'';
      }
      {
        assertion = !isUnbounded;
        message = ''services.classroom.storage.quota is set, but the file system of storage.path (${disk.mountPoint}, ${disk.fsType}) is mounted without project quotas, so homes would have no limit. ${if lib.elem disk.fsType [ "xfs" "ext4" ] then ''Write fileSystems."${disk.mountPoint}".options = [ "prjquota" ];'' else "Put storage.path on a file system of type xfs or ext4."}'';
      }
      {
        assertion = cfg.backup.repository != null -> cfg.backup.passwordFile != null;
        message = ''services.classroom.backup has a repository but no password, and restic encrypts each repository. Write services.classroom.backup.passwordFile = "/run/secrets/restic";'';
      }
      {
        assertion = autoPrune.enable -> lib.any (lib.hasInfix "label!=org.classroom.keep") autoPrune.flags;
        message = ''virtualisation.docker.autoPrune.flags would let Docker prune the network and the images of the class. Write virtualisation.docker.autoPrune.flags = [ "--filter=label!=org.classroom.keep" ];'';
      }
      {
        # Homes of an older version have no label. Newer versions of NixOS have `allVolumes`.
        assertion = autoPrune.enable && cfg.storage.kind == "volumes" -> !lib.any (lib.hasInfix "--volumes") autoPrune.flags;
        message = ''virtualisation.docker.autoPrune.flags prune volumes, and students' homes are volumes. Write virtualisation.docker.autoPrune.flags = [ "--filter=label!=org.classroom.keep" ];'';
      }
      {
        assertion = autoPrune.enable && cfg.storage.kind == "volumes" -> !(autoPrune.allVolumes.enable or false);
        message = "virtualisation.docker.autoPrune.allVolumes is enabled, and students' homes are volumes. Write virtualisation.docker.autoPrune.allVolumes.enable = false;";
      }
      {
        assertion = lib.elem "/run/docker.sock" config.virtualisation.docker.listenOptions;
        message = ''virtualisation.docker.listenOptions has no /run/docker.sock, where the hub reaches Docker. Write virtualisation.docker.listenOptions = [ "/run/docker.sock" ];'';
      }
      {
        assertion = (docker.userns-remap or "") == "";
        message = "virtualisation.docker.daemon.settings.userns-remap is set, so students' homes would belong to other users. Remove it.";
      }
      {
        # Docker ends at a setting that it does not know.
        assertion =
          (docker.firewall-backend or "") == "nftables" -> lib.versionAtLeast config.virtualisation.docker.package.version "29";
        message = "virtualisation.docker.daemon.settings.firewall-backend is \"nftables\", which Docker ${config.virtualisation.docker.package.version} does not know, so it would not start. Remove it, or write virtualisation.docker.package = pkgs.docker_29;";
      }
      {
        assertion = config.virtualisation.docker.daemon.settings.live-restore or false;
        message = "virtualisation.docker.daemon.settings.live-restore is off, so a restart of Docker would end every student's work. Write virtualisation.docker.daemon.settings.live-restore = true;";
      }
    ];
  };
}
