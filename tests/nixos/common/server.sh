# Verbs of CLASSROOM_SERVER for tests/behaviour, with systemd.
unit() {
  case $1 in
    hub | proxy) echo "classroom-$1" ;;
    engine) echo docker ;;
    filter) echo classroom-engine ;;
    homes) echo classroom-tests-homes ;;
    *) echo "$1" ;;
  esac
}

state=/run/classroom-tests
settings=$state/settings.json
mkdir -p $state
[ -e $settings ] || install -m 644 /etc/classroom/settings.json $settings

verb=$1
shift
case $verb in
  start)
    if [ "$1" = homes ]; then
      # On NixOS a socket unit starts it, if homes are directories from the beginning.
      install -d -m 711 $state/homes
      systemd-run --quiet --collect --unit="$(unit homes)" \
        "$(command -v classroom)" homes-helper --listen /run/classroom-homes.sock --user classroom --settings $settings
      until [ -S /run/classroom-homes.sock ]; do sleep 0.1; done
    else
      systemctl start "$(unit "$1")"
    fi
    ;;
  stop | restart) systemctl "$verb" "$(unit "$1")" ;;
  kill) systemctl kill --signal=KILL "$(unit "$1")" ;;
  logs) journalctl --no-pager --output=cat --unit="$(unit "$1")" ;;
  exec) exec "$@" ;;
  docker) exec docker "$@" ;;
  settings) echo "$settings" ;;
  reload)
    mkdir -p /run/systemd/system/classroom-{hub,engine}.service.d
    # JSON Merge Patch (RFC 7386).
    jq --argjson patch "$1" '
      def merge($patch):
        if ($patch | type) != "object" then $patch
        else reduce ($patch | to_entries[]) as $entry (if type == "object" then . else {} end;
          if $entry.value == null then del(.[$entry.key])
          else .[$entry.key] = (.[$entry.key] | merge($entry.value)) end)
        end;
      merge($patch)' "$settings" > $state/new.json
    mv $state/new.json $state/settings.json
    for part in hub engine; do
      command=$part
      [ $part = engine ] && command=engine-filter
      printf '[Service]\nExecStart=\nExecStart=%s %s --settings %s\n' "$(command -v classroom)" $command \
        $state/settings.json > /run/systemd/system/classroom-$part.service.d/tests.conf
    done
    systemctl daemon-reload
    systemctl restart classroom-engine classroom-hub
    ;;
  *)
    echo "no such verb: $verb" >&2
    exit 2
    ;;
esac
