# Exporters on loopback for the machine, Nginx and the GPUs. Prometheus and Grafana on this machine are configured to
# use them and the metrics of the hub.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.services.classroom;
  loopback = "127.0.0.1";
  status = "${loopback}:${toString cfg.metrics.nginxPort}";
  # NixOS 24.11 has no GPU exporter.
  hasGpus =
    cfg.gpu.isWanted
    && options.services.prometheus.exporters.type.getSubOptions [ ] ? nvidia-gpu;
  exporters = {
    node.enabledCollectors = [ "systemd" ];
    nginx.scrapeUri = lib.mkDefault "http://${status}/";
  }
  // lib.optionalAttrs hasGpus { nvidia-gpu = { }; };

  job = name: target: more: {
    job_name = "classroom-${name}";
    static_configs = [ { targets = [ target ]; } ];
  } // more;
  addressOf = name: with config.services.prometheus.exporters.${name}; "${listenAddress}:${toString port}";
  token = "classroom-metrics-token";
  dashboards = ./grafana;
in
{
  config = lib.mkIf (cfg.enable && cfg.metrics.enable) {
    services.prometheus = {
      exporters = lib.mapAttrs (
        _: exporter:
        exporter
        // {
          enable = true;
          listenAddress = lib.mkDefault loopback;
        }
      ) exporters;

      scrapeConfigs = [
        (job "hub" cfg.hub.listen {
          metrics_path = "/hub/metrics";
          authorization.credentials_file = "/run/credentials/prometheus.service/${token}";
        })
      ]
      ++ map (name: job name (addressOf name) { }) (lib.attrNames exporters);
      # The token does not exist yet when the system is built.
      checkConfig = lib.mkDefault "syntax-only";
    };
    systemd.services.prometheus = lib.mkIf config.services.prometheus.enable {
      wants = [ "classroom-hub.service" ];
      after = [ "classroom-hub.service" ];
      serviceConfig.LoadCredential = [
        "${token}:${
          if cfg.secrets.metricsToken != null then
            cfg.secrets.metricsToken
          else
            "/var/lib/classroom/secrets/metrics-token"
        }"
      ];
    };

    services.grafana.provision = lib.mkIf config.services.grafana.enable {
      enable = lib.mkDefault true;
      dashboards.settings.providers = lib.optional (builtins.pathExists dashboards) {
        name = "classroom";
        options.path = dashboards;
      };
    };

    services.nginx.virtualHosts.classroom-status = {
      serverName = "_";
      listen = [
        {
          addr = loopback;
          port = cfg.metrics.nginxPort;
        }
      ];
      locations."/".extraConfig = ''
        stub_status;
        access_log off;
      '';
    };
  };
}
