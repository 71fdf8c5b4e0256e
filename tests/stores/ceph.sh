#!/bin/sh
# Runs a command with a Ceph beside it: one monitor, manager, OSD and gateway (RGW), all on 127.0.0.1, all data in a
# temporary folder. TEST_S3 tells the command where it is. At the end all of it is stopped, by pid, and removed.
#
#   tests/stores/ceph.sh COMMAND WORD...
#
# From Debian's packages: apt install --no-install-recommends ceph-mon ceph-mgr ceph-osd radosgw (16.2.15 in Debian 12).
# No systemd, no root, nothing outside the folder, which needs some GiB under TMPDIR. One OSD keeps one copy: for tests,
# never for evidence.
set -eu
for program in ceph-mon ceph-mgr ceph-osd radosgw radosgw-admin ceph monmaptool curl; do
  command -v $program >/dev/null || {
    echo "not run: $program is not installed (apt install --no-install-recommends ceph-mon ceph-mgr ceph-osd radosgw)" >&2
    exit 1
  }
done
home=$(mktemp -d "${TMPDIR:-/tmp}/fujing-ceph.XXXXXX")
started= runs=
finish() {
  trap - EXIT INT TERM
  for pid in $started; do kill "$pid" 2>/dev/null || true; done
  for pid in $started; do wait "$pid" 2>/dev/null || true; done
  [ "$runs" ] || tail -n 5 "$home"/*.log >&2
  rm -rf "$home"
  exit "$1"
}
trap 'finish $?' EXIT
trap 'finish 130' INT TERM
run() { # a daemon, ended with this script; the last one started is ended first
  "$@" </dev/null >>"$home/said.log" 2>&1 &
  started="$! $started"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ceph() { command ceph --connect-timeout 60 "$@"; }
random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

monitor=$(free_port) port=$(free_port) cluster=$(cat /proc/sys/kernel/random/uuid) access=$(random) secret=$(random)
mkdir "$home/mon" "$home/mgr" "$home/osd" "$home/rgw"
cat > "$home/ceph.conf" <<CONF
[global]
fsid = $cluster
mon host = [v2:127.0.0.1:$monitor]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv4 = true
ms bind ipv6 = false
keyring = $home/keyring
admin socket =
run dir = $home
crash dir = $home
log file = $home/\$type.log
log to stderr = false
mon cluster log file = $home/cluster.log
mon data = $home/mon
mgr data = $home/mgr
osd data = $home/osd
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail warn = 1
mon data avail crit = 0
mon osd nearfull ratio = .97
mon osd backfillfull ratio = .98
mon osd full ratio = .99
osd objectstore = bluestore
bluestore block size = 21474836480
osd memory target = 939524096
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw enable usage log = false
CONF
export CEPH_CONF="$home/ceph.conf"

ceph-authtool --create-keyring "$home/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
ceph-authtool "$home/keyring" --gen-key -n client.admin \
  --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
monmaptool --create --fsid "$cluster" --addv a "[v2:127.0.0.1:$monitor]" "$home/monmap" >/dev/null
ceph-mon -i a --mkfs --monmap "$home/monmap" --keyring "$home/keyring"
run ceph-mon -i a -f --public-addr "127.0.0.1:$monitor"
ceph auth get-or-create mgr.x mon 'allow profile mgr' osd 'allow *' mds 'allow *' > "$home/mgr/keyring"
run ceph-mgr -i x -f --keyring "$home/mgr/keyring"
disk=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$disk" >/dev/null
ceph auth get-or-create osd.0 mon 'allow profile osd' mgr 'allow profile osd' osd 'allow *' > "$home/osd/keyring"
ceph-osd -i 0 --mkfs --osd-uuid "$disk" --keyring "$home/osd/keyring" >>"$home/said.log" 2>&1
run ceph-osd -i 0 -f --keyring "$home/osd/keyring"
ceph auth get-or-create client.rgw mon 'allow rw' osd 'allow rwx' > "$home/rgw/keyring"
run radosgw -n client.rgw -f --keyring "$home/rgw/keyring"
radosgw-admin user create --uid=fujing --display-name=fujing \
  --access-key="$access" --secret-key="$secret" >>"$home/said.log" 2>&1
tries=0
until curl --silent --output /dev/null "http://127.0.0.1:$port/"; do
  tries=$((tries + 1))
  [ $tries -lt 180 ] || { echo "the gateway did not answer in three minutes" >&2; exit 1; }
  sleep 1
done
runs=yes
echo "$(ceph --version), on 127.0.0.1:$port, $(date -u +%Y-%m-%d)"
TEST_S3="http://$access:$secret@127.0.0.1:$port" "$@"
