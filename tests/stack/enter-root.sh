#!/bin/sh -e
# Makes ROOT the root of this mount namespace, read-only, and holds the namespace open. Used with `unshare --mount`.
# usage: enter-root.sh ROOT DIRECTORY DATA CDI
root=$1 directory=$2 data=$3 cdi=$4
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
# A sysfs of this network namespace; without securityfs the engine does not load AppArmor profiles into the machine.
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
for place in run tmp mnt var/log var/lib/containerd var/lib/nginx etc/docker; do
    mkdir -p "$place"
    mount -t tmpfs tmpfs "$place"
done
mkdir -p ".$directory" mnt/old etc/cdi
mount --bind "$directory" ".$directory"
mount --bind "$data" ".$directory/engine"
mount --bind "$cdi" etc/cdi
printf 'nameserver 10.99.0.53\n' > run/resolv.conf
mount --bind run/resolv.conf etc/resolv.conf
mount -o remount,bind,ro "$root"
pivot_root . mnt/old
umount -l /mnt/old
touch "$directory/run/root-is-ready"
exec sleep infinity
