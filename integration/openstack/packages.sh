#!/bin/bash
# Fetches what a nova without hypervisors needs, from Debian bookworm's archive. Nothing is configured and no
# service is started.
#
# Libraries come by apt-get install. The programs' packages would bring libvirt, databases and services with
# their install scripts, so those are only unpacked, into FOLDER/debs: of them we run the scripts.
#
# usage: packages.sh FOLDER        exit status: 0 all there; 1 something is missing, named on standard error.
set -u
folder=${1:?a folder}
mkdir -p "$folder"
log=$folder/apt.log

install=(
  python3-nova python3-keystone python3-glance python3-placement python3-pymysql
  uwsgi-core uwsgi-plugin-python3 mariadb-server-core mariadb-client-core rabbitmq-server
)
unpack=(nova-common nova-compute nova-conductor nova-scheduler glance-common)

fail() { echo "openstack: $*" >&2; exit 1; }
installed() { dpkg -s "$@" >/dev/null 2>&1; }
unpacked() { [ -e "$folder/debs/complete" ]; }

installed "${install[@]}" && unpacked && exit 0

# shellcheck disable=SC1091
codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")
[ "$codename" = bookworm ] || fail "needs the packages of Debian bookworm; this is ${codename:-no Debian}"
[ "$(id -u)" = 0 ] || fail "needs root, to install: ${install[*]}"

# Debian starts a service as soon as it is installed; this file, only while we install, forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q >"$log" 2>&1 || fail "apt-get update: $(tail -3 "$log")"
apt-get install -qy --no-install-recommends "${install[@]}" >>"$log" 2>&1 || fail "apt-get install: $(tail -3 "$log")"

if ! unpacked; then
  rm -rf "$folder/debs" && mkdir -p "$folder/debs" && cd "$folder/debs" || exit 1
  apt-get download -q "${unpack[@]}" >>"$log" 2>&1 || fail "apt-get download: $(tail -3 "$log")"
  for deb in *.deb; do
    dpkg-deb -x "$deb" . || fail "cannot unpack $deb"
  done
  rm -- *.deb
  touch complete
fi
