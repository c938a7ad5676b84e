#!/usr/bin/env bash
# Gathers what a box needs without a network, and has vm.sh boot one with it. Needs root, and what vm.sh needs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
work=$(mktemp -d "${TMPDIR:-/var/tmp}/stackmemory-box.XXXX")
trap 'rm -rf "$work"' EXIT
fingerprint=$("$here/repository.sh" "$work/repository")
mkdir "$work/tailscale"
ln -s ../repository "$work/tailscale/debian"
(cd "$root" && npm pack --ignore-scripts --pack-destination "$work" >/dev/null)
export PORTAL_NODE_REPOSITORY=file:$work/repository PORTAL_NODE_KEY=file://$work/repository/key.asc
export PORTAL_TAILSCALE_REPOSITORY=file:$work/tailscale PORTAL_TAILSCALE_KEY=file://$work/repository/key.asc
export PORTAL_NODE_FINGERPRINT=$fingerprint PORTAL_TAILSCALE_FINGERPRINT=$fingerprint
"$root/provisioning/setup.sh" --prepare "$work/offline" --from "$(echo "$work"/stackmemory-*.tgz)" --agent none
"$here/vm.sh" "$work/offline"
