#!/bin/sh
# minica by openssl, with its options, file names and common name, for NixOS's temporary certificates:
# minica --ca-key FILE --ca-cert FILE --domains NAME,NAME
set -eu
while [ $# -gt 0 ]; do
    case $1 in
        --ca-key) key=$2 ;;
        --ca-cert) cert=$2 ;;
        --domains) domains=$2 ;;
        *) exit 2 ;;
    esac
    shift 2
done
settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
printf '[req]\ndistinguished_name = name\n[name]\n' > "$settings"

openssl() {
    /usr/bin/openssl req -config "$settings" -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes "$@"
}
[ -e "$key" ] || openssl -days 36500 -subj "/CN=minica root ca 3a51c8" -keyout "$key" -out "$cert"
first=${domains%%,*}
directory=$(echo "$first" | tr '*' _)
mkdir -p "$directory"
openssl -CA "$cert" -CAkey "$key" -days 760 -subj "/CN=$first" -addext basicConstraints=critical,CA:FALSE \
    -addext "subjectAltName=DNS:$(echo "$domains" | sed 's/,/,DNS:/g')" \
    -keyout "$directory/key.pem" -out "$directory/cert.pem"
