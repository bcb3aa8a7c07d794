# Options of services.classroom. generated.nix has the options of the settings. The options here configure NixOS, or
# have a default that depends on it.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib)
    literalExpression
    mkEnableOption
    mkOption
    types
    ;
  own = import ../types.nix { inherit lib; };
  generated = import ./generated.nix { inherit lib own; };
  cfg = config.services.classroom;
  classroom = import ../../nix { inherit pkgs; };
  port = toString cfg.nginx.port;
  isTls = cfg.tls.acme.enable || cfg.tls.certificate != null;
  # Without a value of the operator; to compare references would need the licence of what they name.
  isOwn = options.services.classroom.student.image.highestPrio >= (lib.mkOptionDefault null).priority;
  isLoading = isOwn || cfg.images != { };

  # Return the same options without values: settings.nix defines those.
  withoutDefaults = lib.mapAttrsRecursiveCond (value: !lib.isOption value) (
    _: option: removeAttrs option [ "default" ]
  );

  mkSecret =
    what:
    mkOption {
      type = types.nullOr own.secretFile;
      default = null;
      example = "/run/secrets/classroom";
      description = "File that contains ${what}. Root reads it when a unit starts. Null: the first start generates it in the state directory.";
    };

  imageOptions =
    { name, config, ... }:
    {
      options = {
        cuda = mkOption {
          type = types.bool;
          default = cfg.gpu.isWanted;
          defaultText = literalExpression "true if `gpu.policy` or the policy of a group gives students GPUs";
          description = "Include PyTorch with CUDA, and the GPU monitor. This adds several gigabytes, and CUDA's licence is not free.";
        };
        extraPythonPackages = mkOption {
          type = types.functionTo (types.listOf types.package);
          default = _: [ ];
          defaultText = literalExpression "ps: [ ]";
          example = literalExpression "ps: [ ps.transformers ps.datasets ]";
          description = "Python packages of the course, in addition to those of every student image.";
        };
        package = mkOption {
          type = types.package;
          default = classroom.studentImageWith {
            inherit (config) cuda extraPythonPackages;
            name = "classroom-${name}";
          };
          defaultText = literalExpression "the image that `cuda` and `extraPythonPackages` describe";
          description = "The image, as `dockerTools.streamLayeredImage` returns it. Set it to use an image of your own.";
        };
        reference = mkOption {
          type = types.str;
          readOnly = true;
          default = "${config.package.imageName}:${config.package.imageTag}";
          defaultText = literalExpression ''"''${package.imageName}:''${package.imageTag}"'';
          description = "Docker's name of the image. The tag depends on the contents: a changed image has another tag.";
        };
      };
    };
in
{
  imports = [
    (lib.mkRemovedOptionModule [ "services" "classroom" "gpu" "count" ]
      ''Docker does not look for a free GPU: with a count of 1 every student gets GPU 0. Write services.classroom.gpu.policy = "exclusive"; for GPUs that no other student has (gpu.perStudent), or policy = "all";''
    )
  ];

  options.services.classroom = lib.recursiveUpdateUntil (_: _: lib.isOption) generated {
    enable = mkEnableOption "a JupyterHub class: sign-up in the browser, approval by an instructor, a container for each student";

    stateVersion = mkOption {
      type = types.strMatching "[0-9]+\\.[0-9]+";
      default = "0.1";
      example = "0.1";
      description = ''
        Version of this project with which the class began. Options that say where the class keeps data have the defaults
        of that version: an upgrade moves no data. Set it once, to the current version, and do not change it later.
      '';
    };

    # Address and web server

    domain = mkOption {
      type = types.nullOr (types.strMatching "[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+");
      default = null;
      example = "hub.example.org";
      description = "Host name of the class. Null: any name, without TLS; only for a trial.";
    };

    serversDomain = mkOption {
      type = types.nullOr (types.strMatching "[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+");
      default = null;
      example = "servers.example.org";
      description = "A second host name of this machine, for the students' servers with `site.origins = \"two\"`. It needs a record in DNS, and the certificate must be valid for it (Let's Encrypt's is).";
    };

    site.origins = generated.site.origins // {
      default =
        if cfg.serversDomain != null then
          "two"
        else if cfg.tls.acme.dnsProvider != null then
          "each"
        else
          "one";
      defaultText = literalExpression ''"two" with `serversDomain`, "each" with `tls.acme.dnsProvider`, otherwise "one"'';
    };

    site.serversUrl = generated.site.serversUrl // {
      default = lib.optionalString (cfg.domain != null && cfg.serversDomain != null) (
        lib.replaceStrings [ "//${cfg.domain}" ] [ "//${cfg.serversDomain}" ] cfg.site.externalUrl
      );
      defaultText = literalExpression "derived from `serversDomain` and `site.externalUrl`";
    };

    site.externalUrl = generated.site.externalUrl // {
      default =
        if cfg.domain == null then
          ""
        else if cfg.tunnel.enable then
          "https://${cfg.domain}/"
        else if isTls then
          "https://${cfg.domain}${lib.optionalString (cfg.nginx.port != 443) ":${port}"}/"
        else
          "http://${cfg.domain}${lib.optionalString (cfg.nginx.port != 80) ":${port}"}/";
      defaultText = literalExpression "derived from `domain`, `tls`, `tunnel` and `nginx.port`";
    };

    nginx = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = ''
          Run Nginx for browsers. Off: your own web server takes its place and reaches the class at `proxy.listen`.
          Nginx still serves the containers.
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
        description = "Addresses of load balancers or tunnels in front of Nginx. Nginx trusts their headers for a browser's address and scheme.";
      };
      clientHeader = mkOption {
        type = types.enum [ "X-Forwarded-For" "CF-Connecting-IP" ];
        default = "X-Forwarded-For";
        description = "Header in which the `trusted` machines send the browser's address.";
      };
    };

    tls = {
      acme = {
        enable = mkEnableOption "a certificate from Let's Encrypt, with its HTTP challenge on port 80";
        email = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "admin@example.org";
          description = "Email address for messages of Let's Encrypt. If you set it, you accept their terms of service.";
        };
        dnsProvider = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "cloudflare";
          description = "Prove the domain by DNS instead of HTTP: the name of the provider of the zone (https://go-acme.github.io/lego/dns/). Only this way does Let's Encrypt give a certificate for `*.domain`, which `site.origins = \"each\"` needs.";
        };
        environmentFile = mkOption {
          type = types.nullOr own.secretFile;
          default = null;
          example = "/run/secrets/dns";
          description = "File with the credentials of `dnsProvider`, as its page names the variables.";
        };
      };
      certificate = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "/var/lib/certificates/hub.pem";
        description = "Your own certificate with its chain, in PEM. Nginx's user must be able to read it.";
      };
      key = mkOption {
        type = types.nullOr own.secretFile;
        default = null;
        example = "/var/lib/certificates/hub.key";
        description = "The certificate's private key, in PEM.";
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
        description = "File with the tunnel's credentials, which the same command writes.";
      };
    };

    # Images and GPUs

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
      description = "Further images by name, loaded in addition to `image`. Use them by name in `groups.<name>.image`, or by `reference` in `student.image`.";
    };

    student.image = generated.student.image // {
      default = cfg.image.reference;
      defaultText = literalExpression "config.services.classroom.image.reference";
    };

    gpu.driver = mkOption {
      type = types.bool;
      default = cfg.gpu.isWanted;
      defaultText = literalExpression "true if `gpu.policy` or the policy of a group gives students GPUs";
      description = ''
        Set up NVIDIA's driver (open kernel modules, for Turing and newer) and the container toolkit. The driver's
        licence is not free, so set `nixpkgs.config.allowUnfree` too. Off: you set up both yourself.
      '';
    };

    gpu.isWanted = mkOption {
      type = types.bool;
      internal = true;
      readOnly = true;
      default = lib.any (policy: policy != null && policy != "none") (
        [ cfg.gpu.policy ] ++ lib.mapAttrsToList (_: group: group.gpu.policy) cfg.groups
      );
      description = "Whether any student may have a GPU.";
    };

    gpu.loadsCuda = mkOption {
      type = types.bool;
      internal = true;
      readOnly = true;
      default = isLoading && lib.any (image: image.cuda) ([ cfg.image ] ++ lib.attrValues cfg.images);
      description = "Whether an image that this machine loads contains CUDA.";
    };

    gpu.torchHasCuda = mkOption {
      type = types.bool;
      internal = true;
      readOnly = true;
      default = classroom.torchHasCuda;
      description = "Whether PyTorch of an image with `cuda` uses CUDA on this machine's processor.";
    };

    # Programs, secrets, units

    package = mkOption {
      type = types.package;
      default = classroom.classroom;
      defaultText = literalExpression "the package of this project";
      description = "The `classroom` command with the hub.";
    };

    proxy = {
      package = mkOption {
        type = types.package;
        default = classroom.proxy;
        defaultText = literalExpression "configurable-http-proxy in the version that this project is tested with";
        description = "The proxy, configurable-http-proxy 5.1 or newer.";
      };
    };

    secrets = {
      cookieSecret = mkSecret "the key that signs cookies (64 hexadecimal digits)";
      cryptKey = mkSecret "the key that encrypts auth state (64 hexadecimal digits; to change it, several keys separated by semicolons)";
      proxyToken = mkSecret "the token of the hub for the proxy";
      cliToken = mkSecret "the token of the `classroom` command for the hub";
      metricsToken = mkSecret "a collector's token, which is valid for `/hub/metrics` only";
    };

    backup.schedule = mkOption {
      type = types.str;
      default = "*-*-* 03:30:00";
      description = "Time of the backups, in the format of systemd's `OnCalendar=`.";
    };

    metrics = {
      enable = mkEnableOption "exporters for Prometheus on loopback: for the machine (port 9100), Nginx (9113) and, from NixOS 25.05 on and with a GPU policy, the GPUs (9835). If `services.prometheus` or `services.grafana` is enabled, they, the hub's metrics and the dashboards are configured there";
      nginxPort = mkOption {
        type = types.port;
        default = 8084;
        description = "Port on loopback where Nginx publishes its status for the exporter.";
      };
    };

    # The result

    settings = mkOption {
      type = types.submodule {
        freeformType = (pkgs.formats.json { }).type;
        options = withoutDefaults generated;
      };
      default = { };
      # The options above describe them.
      visible = "shallow";
      example = { culling.every = "30s"; };
      description = ''
        Content of settings.json (docs/reference/settings.md), which the hub, the proxy and the command read. The options
        above give each setting its value, and a definition here replaces it, whatever the priority of the option. Use it
        for keys without an option. Definitions in several modules merge; `lib.mkForce` and `lib.mkDefault` decide between
        two of the same key. A key that no setting has fails the build.
      '';
    };

    settingsFile = mkOption {
      type = types.package;
      readOnly = true;
      description = "The settings.json of the hub and the proxy. `classroom check` has checked it.";
    };
  };
}
