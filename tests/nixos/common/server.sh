# Verbs of CLASSROOM_SERVER for tests/behaviour, with systemd. `python -m stack ctl --help` says what each does.
unit() {
  case $1 in
    hub | proxy) echo "classroom-$1" ;;
    engine) echo docker ;;
    filter) echo classroom-engine ;;
    homes | resolver) echo "classroom-tests-$1" ;;
    *) echo "$1" ;;
  esac
}

# Files of the tests. Containers reach it at the same path.
directory=/run/classroom-tests
mkdir -p $directory

# Units and commands read it. Here it is a file that the tests change, until the next switch.
settings=/etc/classroom/settings.json
if [ -L $settings ]; then
  install -m 644 "$(readlink -f $settings)" $settings.new
  mv $settings.new $settings
fi

# On NixOS a unit of the module starts these parts, if the settings have them from the beginning.
start_part() {
  local command=(systemd-run --quiet --collect --unit="$(unit "$1")" --setenv=PATH="$PATH" "$(command -v classroom)")
  case $1 in
    homes)
      install -d -m 711 $directory/homes
      "${command[@]}" homes-helper --listen /run/classroom-homes.sock --user classroom
      until [ -S /run/classroom-homes.sock ]; do sleep 0.1; done
      ;;
    resolver) "${command[@]}" network resolver ;;
  esac
}

start() {
  case $1 in
    homes | resolver) start_part "$1" ;;
    *) systemctl start "$(unit "$1")" ;;
  esac
  wait_for "$1"
}

stop() {
  local name sockets
  name=$(unit "$1")
  # A request would start the unit again.
  read -ra sockets <<< "$(systemctl show --property=TriggeredBy --value "$name")"
  systemctl stop "${sockets[@]}" "$name"
}

# Containers belong to other processes of the engine's unit.
kill_main() {
  local pid
  pid=$(main_pid "$1")
  systemctl kill --kill-whom=main --signal=KILL "$1"
  # Until systemd has noticed, a start does nothing.
  while [ "$(main_pid "$1")" = "$pid" ]; do sleep 0.05; done
}

main_pid() {
  systemctl show --property=MainPID --value "$1"
}

# A unit of type `simple` is active before its program listens.
wait_for() {
  local request
  case $1 in
    hub) request=(--fail "http://$(jq --raw-output .hub.listen $settings)/hub/health") ;;
    nginx) request=(http://127.0.0.1/) ;;
    proxy) request=(--unix-socket /run/classroom/proxy-api.sock http://proxy/) ;;
    *) return ;;
  esac
  for _ in {1..300}; do
    if curl --silent --output /dev/null "${request[@]}"; then return; fi
    case $(systemctl show --property=SubState --value "$(unit "$1")") in
      auto-restart | dead | failed) break ;;
    esac
    sleep 0.1
  done
  journalctl --no-pager --output=cat --lines=30 --unit="$(unit "$1")"
  exit 1
}

verb=$1
shift
case $verb in
  start) start "$1" ;;
  stop) stop "$1" ;;
  restart)
    systemctl restart "$(unit "$1")"
    wait_for "$1"
    ;;
  kill) kill_main "$(unit "$1")" ;;
  logs) journalctl --no-pager --output=cat --unit="$(unit "$1")" ;;
  exec) exec "$@" ;;
  docker) exec docker "$@" ;;
  settings) echo "$settings" ;;
  directory) echo "$directory" ;;
  reload)
    # JSON Merge Patch (RFC 7386).
    jq --argjson patch "$1" '
      def merge($patch):
        if ($patch | type) != "object" then $patch
        else reduce ($patch | to_entries[]) as $entry (if type == "object" then . else {} end;
          if $entry.value == null then del(.[$entry.key])
          else .[$entry.key] = (.[$entry.key] | merge($entry.value)) end)
        end;
      merge($patch)' "$settings" > $settings.new
    mv $settings.new $settings
    if jq --exit-status .network <<< "$1" > /dev/null; then systemctl restart classroom-network; fi
    systemctl restart classroom-hub
    wait_for hub
    ;;
  *)
    echo "no such verb: $verb" >&2
    exit 2
    ;;
esac
