# Cloudflare Tunnel in front of Nginx. Only cloudflared on this machine reaches Nginx, and it sends the browser's
# address. Cloudflare's free plan limits requests to 100 MB and has no certificate for *.hub.example.org.
{ config, lib, ... }:
let
  cfg = config.services.classroom;
in
{
  config = lib.mkIf (cfg.enable && cfg.tunnel.enable && cfg.tunnel.id != null) {
    services.cloudflared = {
      enable = true;
      tunnels.${cfg.tunnel.id} = {
        credentialsFile = toString cfg.tunnel.credentialsFile;
        default = "http_status:404";
        ingress = lib.genAttrs (
          lib.optionals (cfg.domain != null) [ cfg.domain ]
          ++ lib.optional (cfg.serversDomain != null) cfg.serversDomain
          ++ lib.optional (cfg.site.origins == "each") "*.${cfg.domain}"
        ) (_: "http://127.0.0.1:${toString cfg.nginx.port}");
      };
    };
    services.classroom.nginx = {
      trusted = [ "127.0.0.1" ];
      clientHeader = "CF-Connecting-IP";
    };
  };
}
