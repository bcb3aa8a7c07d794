# Prometheus on the same machine scrapes every exporter and the hub, and other machines reach none of them.
{
  name = "classroom-metrics";
  nodes = {
    machine = {
      imports = [ ./common/class.nix ];
      services.classroom.metrics.enable = true;
      services.prometheus = {
        enable = true;
        listenAddress = "127.0.0.1";
        globalConfig.scrape_interval = "5s";
      };
    };
    stranger = { };
  };
  testScript = ''
    ${builtins.readFile ./common/lib.py}
    ready(machine)
    machine.wait_for_unit("prometheus")
    up = "curl -fs 'http://127.0.0.1:9090/api/v1/query?query=up' | jq -r '.data.result[] | .metric.job, .value[1]' | paste - -"
    machine.wait_until_succeeds(f"[ $({up} | sort | grep -c '^classroom-.*1$') = 3 ]", timeout=180)
    machine.succeed("curl -fs 'http://127.0.0.1:9090/api/v1/query?query=jupyterhub_total_users' | grep classroom-hub")
    stranger.wait_for_unit("multi-user.target")
    for port in (9090, 9100, 9113, 8084):
        stranger.fail(f"curl -s --connect-timeout 3 http://machine:{port}/")
    stranger.fail("curl -fs http://machine/hub/metrics")
  '';
}
