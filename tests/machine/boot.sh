#!/bin/sh
# First process of a machine: activates the system that /opt/toplevel names, and becomes systemd.
export container=systemd-nspawn PATH=/usr/sbin:/usr/bin:/sbin:/bin
top=$(cat /opt/toplevel)
# Docker makes control groups for containers.
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
    mount -o remount,rw,bind "$hierarchy" 2>/dev/null || mount -o remount,rw "$hierarchy" 2>/dev/null
done
ip link set lo up
ip link add uplink type bridge
ip address add 192.0.2.10/24 dev uplink
ip link set uplink up
ip route add default via 192.0.2.1
if [ -e /opt/outside ]; then
    # Another host (outside.py) connects this link when the machine has begun.
    until ip link set outside master uplink up 2>/dev/null; do sleep 0.1; done
    ip address add 2001:db8::10/64 dev uplink nodad
    ip route add default via 2001:db8::1
fi
find /run /tmp -mindepth 1 -maxdepth 1 ! -name host -exec rm -rf {} +
"$top/activate" >/var/activate.log 2>&1 || echo "activation ended with $?" >>/var/activate.log
ln -sfn "$top" /run/booted-system
mkdir -p /nix/var/nix/profiles
ln -sfn "$top" /nix/var/nix/profiles/system-1-link
ln -sfn system-1-link /nix/var/nix/profiles/system
# Debian's systemd warns of hierarchies of version 1.
exec env -i container=systemd-nspawn PATH=/usr/sbin:/usr/bin SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 \
    ${SYSTEMD_UNIT_PATH:+"SYSTEMD_UNIT_PATH=$SYSTEMD_UNIT_PATH"} \
    /usr/lib/systemd/systemd systemd.show_status=1
