#!/bin/sh
# Stands in for Tailscale's command where there is no account: joining is a tunnel interface with a tailnet's address.
state=/var/lib/tailscale
address=100.101.102.103
has_tunnel() { ip -o addr show dev tailscale0 2>/dev/null | grep -q "$address"; }
case $1 in
  version) echo 1.0-test ;;
  ip) if has_tunnel || [ -e "$state/pretend" ]; then echo "$address"; else exit 1; fi ;;
  up)
    mkdir -p "$state"
    for one in "$@"; do
      case $one in --auth-key=file:*) key=$(cat "${one#--auth-key=file:}") ;; esac
    done
    case ${key:-} in
      tskey-*) ;;
      *)
        echo 'invalid key' >&2
        exit 1
        ;;
    esac
    : >"$state/joined"
    exec "$0" tunnel
    ;;
  tunnel)
    # What tailscaled does at a boot, once joined. Without a kernel of one's own it is pretended.
    if [ ! -e "$state/joined" ] || has_tunnel; then exit 0; fi
    if ip tuntap add dev tailscale0 mode tun 2>/dev/null && ip link set tailscale0 up; then
      ip addr add "$address/32" dev tailscale0
    else
      : >"$state/pretend"
    fi
    ;;
  *) exit 64 ;;
esac
