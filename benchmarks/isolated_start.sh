#!/bin/sh
# What a person would type for one start with the isolation of a run: namespaces, a disk of limited size with an
# overlay, memory, CPU and process limits, another user without privileges. Usage: isolated_start.sh FOLDER COMMAND...
set -e
folder=$1; shift
mkdir -p "$folder/disk" "$folder/root"
truncate -s 256M "$folder/disk.img"
mkfs.ext4 -q -O ^has_journal "$folder/disk.img"
name=actorium-bench-$(basename "$folder")
groups=""
for kind in memory pids cpu; do
  group=/sys/fs/cgroup/$kind/$name
  [ -d "/sys/fs/cgroup/$kind" ] || continue
  mkdir "$group"; groups="$groups $group"
  case $kind in
    memory) echo 134217728 > "$group/memory.limit_in_bytes" ;;
    pids) echo 4096 > "$group/pids.max" ;;
    cpu) echo 100000 > "$group/cpu.cfs_quota_us" ;;
  esac
  echo $$ > "$group/cgroup.procs"
done
export folder
unshare --mount --pid --net --ipc --uts --fork --mount-proc sh -c '
  mount -o loop "$folder/disk.img" "$folder/disk"
  mkdir "$folder/disk/upper" "$folder/disk/work"
  mount -t overlay overlay -o "lowerdir=/usr,upperdir=$folder/disk/upper,workdir=$folder/disk/work" /usr
  ip link set lo up
  exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --bounding-set=-all "$@"' start "$@"
for group in $groups; do
  echo $$ > "$(dirname "$group")/cgroup.procs"
  rmdir "$group"
done
rm -rf "$folder"
