#!/usr/bin/env bash
# Runs inside the virtual machine of vm.sh: "first" after cloud-init has set the box up, "second" after its power was
# pulled. Says on the console what holds and what does not.
exec >/dev/ttyS0 2>&1
export LC_ALL=C
address=100.101.102.103
holds() { # holds TITLE COMMAND…
  local title=$1
  shift
  if "$@" >/tmp/said 2>&1; then
    echo "ok $title"
  else
    echo "not ok $title"
    sed 's/^/#   /' /tmp/said
  fi
}
within() { # within SECONDS COMMAND…: it comes true
  local end=$(($(date +%s) + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$(date +%s)" -ge "$end" ]; then "$@"; return; fi
    sleep 1
  done
}
no() { ! "$@"; }
none_of() {
  local one
  for one in "$@"; do if [ -e "$one" ]; then echo "$one" && return 1; fi; done
}
as_agent() { su - agent -c "$*"; }
as_other() { su - other -c "$*"; }
pid_of() { systemctl show -P MainPID "$1"; }
is_active() { [ "$(systemctl is-active "$1")" = active ]; }
portal_answers() { [ "$(curl -s -o /dev/null -m 5 -w '%{http_code}' "http://$1:7799/")" = 401 ]; }
portal_is_new() { [ "$(pid_of stackmemory-portal)" != "$1" ] && [ "$(pid_of stackmemory-portal)" != 0 ] && portal_answers 127.0.0.1; }
tmux_pid() { as_agent "tmux display -p '#{pid}'"; }
session_is() { [ "$(tmux_pid)" = "$1" ]; }
only_private_sockets() {
  local strangers
  strangers=$(ss -ltnH | awk '{print $4}' | grep -v -E '^(127\.|\[::1\]|100\.101\.102\.103:|\[fd7a:)' | grep -v ':22$')
  echo "$strangers"
  [ -z "$strangers" ]
}
shows_agent() { as_agent 'tmux capture-pane -p -t claude' | grep -q 'load average'; }
token_is_nowhere() {
  local token
  token=$(as_agent sm portal token --json | sed -n 's/.*"token": *"\([^"]*\)".*/\1/p')
  [ ${#token} = 48 ] || return 1
  ! { journalctl --no-pager | grep -F "$token" || grep -rF "$token" /var/log /etc /run/cloud-init 2>/dev/null; }
}
key_is_nowhere() { ! grep -rl 'secretSECRET' /var/lib/cloud /run/cloud-init /var/log /root /etc; }
setup() { bash /srv/offline/setup.sh --offline /srv/offline "$@"; }

common() {
  holds 'the session runs' within 60 is_active stackmemory-session
  holds 'the portal runs' within 120 is_active stackmemory-portal
  holds 'the brain runs' within 240 is_active stackmemory-brain
  holds 'the tailnet is there' within 30 tailscale ip -4
  holds 'the portal answers on loopback' within 60 portal_answers 127.0.0.1
  holds 'the portal answers on the tailnet' within 60 portal_answers $address
  holds 'the agent is on the screen' within 60 shows_agent
  holds 'nothing else listens' only_private_sockets
  holds 'the firewall is up' nft list table inet stackmemory_box
}

case $1 in
  first)
    cp /root/stackmemory/setup.sh /root/setup.sh 2>/dev/null
    holds 'the set-up got to its end' grep -q ' Done[.]' /var/log/stackmemory-setup.log
    sed 's/^/# /' /var/log/stackmemory-setup.log | tail -n 60
    common
    holds 'the key of the tailnet is wiped' no test -e /root/stackmemory/ts-authkey
    holds 'and is nowhere else' key_is_nowhere
    holds 'the token is in no log' token_is_nowhere
    holds 'the token is private' test "$(stat -c '%U %a' /home/agent/.stackmemory/portal/token)" = 'agent 600'
    holds 'the agent records' as_agent "sm brain record --kind note --title 'before the power went' --conclusion 'it was kept'"
    useradd --create-home other
    holds 'another user cannot read the token' no as_other cat /home/agent/.stackmemory/portal/token
    holds 'nor the brain' no as_other ls /home/agent/.stackmemory/brain
    holds 'nor reach its socket' no as_other 'curl -s --unix-socket /home/agent/.stackmemory/brain/host.sock http://x/'
    holds 'nor the session' no as_other 'tmux -S /run/stackmemory-session/tmux-1000/default ls'
    holds 'the agent has no rights' no as_agent 'cat /etc/shadow'
    before=$(tmux_pid)
    echo "# session $before"
    old=$(pid_of stackmemory-portal)
    systemctl restart stackmemory-portal
    holds 'a restart of the portal comes back' within 60 portal_is_new "$old"
    holds 'and leaves the session' session_is "$before"
    old=$(pid_of stackmemory-portal)
    kill -9 "$old"
    holds 'a killed portal comes back' within 60 portal_is_new "$old"
    holds 'and leaves the session, too' session_is "$before"
    systemctl stop tailscaled
    ip link del tailscale0
    sleep 6
    holds 'the portal lives without the tailnet' portal_answers 127.0.0.1
    systemctl start tailscaled
    holds 'and is on it again when it is back' within 60 portal_answers $address
    old=$(pid_of stackmemory-portal)
    kill -STOP "$old"
    holds 'a portal that hangs is started anew' within 150 portal_is_new "$old"
    holds 'and leaves the session as well' session_is "$before"
    old=$(pid_of stackmemory-portal)
    holds 'the set-up again' setup
    holds 'restarts nothing' test "$(pid_of stackmemory-portal)" = "$old"
    holds 'and leaves the session once more' session_is "$before"
    holds 'the check is content' stackmemory-setup --check
    holds 'the doctor, too' as_agent sm doctor
    sed 's/^/# /' /tmp/said
    systemctl --no-pager --failed | sed 's/^/# /'
    as_agent 'tmux kill-server'
    holds 'a session that was ended comes back' within 60 shows_agent
    printf '[Unit]\nAfter=multi-user.target\n[Service]\nType=idle\nExecStart=/srv/guest.sh second\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/second.service
    systemctl enable second
    sync
    echo 'box: pulling the power'
    echo b >/proc/sysrq-trigger
    ;;
  second)
    echo "# up again after $(cut -d' ' -f1 /proc/uptime) s"
    common
    holds 'what was recorded is there' within 60 as_agent "sm brain list" 
    holds 'and is the same' as_agent "sm brain list | grep -q 'before the power went'"
    holds 'the key has not come back' within 120 key_is_nowhere
    holds 'the uninstallation' setup --uninstall --purge
    holds 'leaves no user' no getent passwd agent
    holds 'nor files' none_of /opt/stackmemory /etc/stackmemory /usr/local/bin/sm /usr/local/sbin/stackmemory-setup /var/lib/stackmemory-box /home/agent
    holds 'nor units' no systemctl cat stackmemory-portal
    holds 'nor processes' no pgrep -f stackmemory
    echo 'box: done'
    poweroff
    ;;
esac
