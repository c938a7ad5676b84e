#!/usr/bin/env bash
# Runs a command in a root directory of its own, as on a fresh machine: what it changes is kept beside it, in DIRECTORY.
# Usage: enter.sh BASE DIRECTORY SHARED COMMAND…   (BASE: a Debian root; SHARED appears as /srv; needs root)
set -euo pipefail
export BASE=$1 DIRECTORY=$2 SHARED=$3
shift 3
mkdir -p "$DIRECTORY/up" "$DIRECTORY/work" "$DIRECTORY/root"
# shellcheck disable=SC2016 # For the inner shell.
exec unshare --mount --pid --fork --kill-child bash -c '
  set -e
  mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$DIRECTORY/up,workdir=$DIRECTORY/work" "$DIRECTORY/root"
  cd "$DIRECTORY/root"
  mount -t proc proc proc
  mount --rbind /sys sys
  mount --rbind /dev dev
  mount -t tmpfs tmpfs run
  mkdir -p srv etc/ssl/certs
  mount --bind "$SHARED" srv
  # A machine behind a proxy has authorities of its own.
  mount --bind /etc/ssl/certs etc/ssl/certs
  cp -L /etc/resolv.conf etc/resolv.conf
  extra=()
  if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then extra=("NODE_EXTRA_CA_CERTS=$NODE_EXTRA_CA_CERTS"); fi
  for one in $(compgen -e PORTAL_); do extra+=("$one=${!one}"); done
  exec chroot . /usr/bin/env -i HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${extra[@]}" "$@"
' enter "$@"
