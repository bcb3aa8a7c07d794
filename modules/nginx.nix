# Nginx: the only public listener, and the address where containers reach the hub. The rules are in nginx/*.conf, which
# every deployment includes. This file has what differs between machines.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.classroom;
  ipv4 = import ./ipv4.nix { inherit lib; };
  gateway = ipv4.gateway cfg.network.subnet;
  isTls = cfg.tls.acme.enable || cfg.tls.certificate != null;
  isDns = cfg.tls.acme.enable && cfg.tls.acme.dnsProvider != null;
  isApart = cfg.site.origins != "one";
  aliases = {
    one = [ ];
    two = lib.optional (cfg.serversDomain != null) cfg.serversDomain;
    each = [ "*.${cfg.domain}" ];
  };
  # One store path for the three files and the pages.
  directives = ./nginx;
  trusted = cfg.nginx.trusted;
  # Nginx does not start with an address that the kernel does not know.
  hasIPv6 = config.networking.enableIPv6 && !lib.elem "ipv6.disable=1" config.boot.kernelParams;
  # Behind a tunnel only cloudflared needs to reach Nginx.
  addresses =
    if cfg.tunnel.enable then
      [ "127.0.0.1" ]
    else
      [ "0.0.0.0" ] ++ lib.optional hasIPv6 "[::]";
  # An operator may set the sysctl to another value.
  isEarly = lib.elem (config.boot.kernel.sysctl."net.ipv4.ip_nonlocal_bind" or 1) [
    1
    "1"
    true
  ];
  # NixOS 25.11 has given the name of the unit to the one that makes the temporary certificate.
  acmeUnit =
    if lib.versionAtLeast lib.trivial.release "25.11" then
      "acme-order-renew-${toString cfg.domain}"
    else
      "acme-${toString cfg.domain}";
  # Port 80 is for redirects and for the HTTP challenge of ACME.
  hasPlain = isTls && (cfg.nginx.port == 443 || cfg.tls.acme.enable);
  # Of the address that browsers use, such as ":8443".
  matched = builtins.match ".*[^:](:[0-9]+)/?" cfg.site.externalUrl;
  publicPort = if matched == null then "" else lib.head matched;
  names = {
    serverName = if cfg.domain == null then "_" else cfg.domain;
    serverAliases = lib.optionals (cfg.domain != null) aliases.${cfg.site.origins};
    default = lib.mkDefault (cfg.domain == null);
  };
in
{
  config = lib.mkIf cfg.enable {
    services.nginx = {
      enable = true;

      # The sum is in nginx.conf.j2 of the Python package. NixOS runs one worker. Nginx's default is 512.
      eventsConfig = lib.mkDefault "worker_connections 98304;";

      upstreams = {
        classroom_hub = {
          servers.${cfg.hub.listen} = { };
          extraConfig = "keepalive 16;";
        };
        classroom_proxy = {
          servers.${cfg.proxy.listen} = { };
          extraConfig = ''
            keepalive 32;
            keepalive_timeout 4s;
          '';
        };
      };

      commonHttpConfig = ''
        geo $realip_remote_addr $classroom_trusted {
          default 0;
          ${lib.concatMapStrings (peer: "${peer} 1;\n") trusted}
        }
        map "" $classroom_pages {
          default ${directives}/pages;
        }
        proxy_cache_path /var/cache/nginx/classroom-gate keys_zone=classroom_gate:4m inactive=1h max_size=64m use_temp_path=off;
        map $host $classroom_origin {
          default ${if isApart then "servers" else "any"};
          ${lib.optionalString isApart "${cfg.domain} hub;"}
        }
        map "" $classroom_hub_url {
          default ${if isApart then lib.removeSuffix "/" cfg.site.externalUrl else ''""''};
        }
        include ${directives}/http.conf;
      '';

      virtualHosts = {
        classroom-browsers = lib.mkIf cfg.nginx.enable (
          names
          // {
            listen = map (addr: {
              inherit addr;
              inherit (cfg.nginx) port;
              ssl = isTls;
            }) addresses;
            enableACME = cfg.tls.acme.enable && !isDns;
            useACMEHost = lib.mkIf isDns cfg.domain;
            onlySSL = isTls;
            sslCertificate = lib.mkIf (cfg.tls.certificate != null) cfg.tls.certificate;
            sslCertificateKey = lib.mkIf (cfg.tls.key != null) cfg.tls.key;
            extraConfig = ''
              access_log /var/log/nginx/access.log classroom;
              ${lib.concatMapStrings (peer: "set_real_ip_from ${peer};\n") trusted}
              ${lib.optionalString (trusted != [ ]) ''
                real_ip_header ${cfg.nginx.clientHeader};
                real_ip_recursive on;
              ''}
              include ${directives}/server.conf;
            '';
          }
        );

        # NixOS's forceSSL forgets the port of browsers' address.
        classroom-plain = lib.mkIf (cfg.nginx.enable && hasPlain) (
          names
          // {
            listen = map (addr: {
              inherit addr;
              port = 80;
            }) addresses;
            useACMEHost = lib.mkIf cfg.tls.acme.enable cfg.domain;
            locations."/".return = "301 https://$host${publicPort}$request_uri";
          }
        );

        classroom-containers = {
          serverName = "_";
          listen = [
            {
              addr = gateway;
              port = cfg.network.apiPort;
            }
          ];
          extraConfig = ''
            access_log /var/log/nginx/classroom-containers.log classroom;
            include ${directives}/containers.conf;
          '';
        };
      };
    };

    systemd.services.nginx = {
      serviceConfig = {
        # The group of the proxy's sockets.
        SupplementaryGroups = [ "classroom" ];
        # One for each of worker_connections, and for files.
        LimitNOFILE = lib.mkDefault 102400;
      };
      # A certificate from a secret may come after the boot. NixOS gives up after five tries in a minute.
      startLimitIntervalSec = lib.mkOverride 90 0;
      wants = lib.mkIf (!isEarly) [ "classroom-network.service" ];
      after = lib.mkIf (!isEarly) [ "classroom-network.service" ];
    };

    # Nginx may start before Docker has created the bridge with its listen address. Nginx cannot ask for IP_FREEBIND on
    # one socket. With 0 it waits for the bridge, and so for Docker.
    boot.kernel.sysctl."net.ipv4.ip_nonlocal_bind" = lib.mkDefault 1;

    security.acme = lib.mkIf cfg.tls.acme.enable {
      acceptTerms = true;
      defaults.email = lib.mkIf (cfg.tls.acme.email != null) (lib.mkDefault cfg.tls.acme.email);
      certs = lib.mkIf isDns {
        ${cfg.domain} = {
          inherit (cfg.tls.acme) dnsProvider environmentFile;
          extraDomainNames = aliases.${cfg.site.origins};
          inherit (config.services.nginx) group;
        };
      };
    };

    # NixOS tries again after a day. DNS that is right some minutes later should be enough: four tries an hour are within
    # Let's Encrypt's limit, and NixOS sets the pause.
    systemd.services.${acmeUnit} = lib.mkIf (cfg.tls.acme.enable && (cfg.nginx.enable || isDns)) {
      serviceConfig.Restart = lib.mkDefault "on-failure";
    };

    networking.firewall.allowedTCPPorts = lib.mkIf (cfg.nginx.enable && cfg.nginx.openFirewall) (
      [ cfg.nginx.port ] ++ lib.optional hasPlain 80
    );
  };
}
