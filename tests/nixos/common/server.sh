# What tests/behaviour asks of a server (CLASSROOM_SERVER), by systemd's means.
unit() {
  case $1 in
    hub | proxy) echo "classroom-$1" ;;
    engine) echo docker ;;
    *) echo "$1" ;;
  esac
}

state=/run/classroom-tests
settings=$state/settings.json
[ -e "$settings" ] || settings=/etc/classroom/settings.json

verb=$1
shift
case $verb in
  start | stop | restart) systemctl "$verb" "$(unit "$1")" ;;
  kill) systemctl kill --signal=KILL "$(unit "$1")" ;;
  logs) journalctl --no-pager --output=cat --unit="$(unit "$1")" ;;
  exec) exec "$@" ;;
  docker) exec docker "$@" ;;
  settings) echo "$settings" ;;
  reload)
    mkdir -p $state /run/systemd/system/classroom-hub.service.d
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
    printf '[Service]\nExecStart=\nExecStart=%s hub --settings %s\n' "$(command -v classroom)" $state/settings.json \
      > /run/systemd/system/classroom-hub.service.d/tests.conf
    systemctl daemon-reload
    systemctl restart classroom-hub
    ;;
  *)
    echo "no such verb: $verb" >&2
    exit 2
    ;;
esac
