#!/usr/bin/env bash
# Makes a Debian or Ubuntu machine a box on which an agent works day and night, seen through StackMemory's
# portal on the tailnet and nowhere else. Run it as often as you like: it does what is missing, and nothing twice.
# docs/PROVISIONING.md is the guide; --help lists the flags.
set -euo pipefail
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

readonly PREFIX=/opt/stackmemory
readonly PACKAGE=$PREFIX/lib/node_modules/stackmemory
readonly ETC=/etc/stackmemory
readonly SETTINGS=$ETC/box.env
readonly STATE=/var/lib/stackmemory-box
readonly MANIFEST=$STATE/manifest
readonly OWN_LINK=/usr/local/sbin/stackmemory-setup
readonly LOG=/var/log/stackmemory-setup.log
readonly UNIT_DIRECTORY=/etc/systemd/system
readonly NODE_NEEDED=20.19
readonly VERSION=0.11.0
readonly DISK_NEEDED_MB=1500

usage() {
  cat <<'TEXT'
Usage: setup.sh [flags]              set the box up, or go on where an earlier run ended
       setup.sh --check              say what would change and whether the box is sound; changes nothing
       setup.sh --upgrade            install the newest version (or --from) and restart what may be restarted
       setup.sh --uninstall [--purge]  take away what was added; --purge takes the user and its brain, too
       setup.sh --prepare <dir>      gather all that --offline needs, on a machine of the same release with a network

Each flag has a variable, which is kept for the next run in /etc/stackmemory/box.env.

  --user <name>             PORTAL_USER        who owns the session; is made where missing (agent)
  --port <number>           PORTAL_PORT        of the portal (7799)
  --session <name>          PORTAL_SESSION     tmux session (claude)
  --cwd <directory>         PORTAL_CWD         where the agent works (~/work of the user)
  --agent <which>           PORTAL_AGENT       claude, codex, opencode or none: the command line to install (claude)
  --command <words>         PORTAL_COMMAND     what the session runs (the agent's name; bash with none)
  --portal-args <words>     PORTAL_ARGS        more flags of "sm portal start", such as "--allow you@example.org"
  --node <major>            PORTAL_NODE_MAJOR  Node.js to install where there is none of 20.19 or newer (24)
  --from <package>          PORTAL_FROM        npm's name and version of StackMemory, or a tarball (this script's)

  --ts-authkey-file <file>  join the tailnet with the key in this file (0600), which is wiped afterwards
  --no-tailscale            neither install nor ask for Tailscale: the portal is on loopback alone
  --firewall                let nothing in but the tailnet; needs a tailnet address
  --upgrades                install security updates by themselves
  --push                    let the portal reach the browsers' push services
  --server                  a sync server for a team, too (docs/PROVISIONING.md)
  --no-firewall, --no-upgrades, --no-push, --no-server, --tailscale    take such a choice back
  --offline <dir>           take everything from what --prepare gathered; no network is asked
  -h, --help                this

Exit codes: 0 done, or sound; 1 failed; 2 a flag is wrong; 3 with --check: something would change or is not sound.
TEXT
}

# ---- what is wanted

mode=setup
authkey_file='' offline='' prepare='' purge=no upgraded=no

fail() { # fail MESSAGE [REMEDY]
  printf 'setup.sh: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '          %s\n' "$2" >&2
  [ ! -w "$LOG" ] || printf '%s FAILED %s\n' "$(date -u +%FT%TZ)" "$1" >>"$LOG"
  exit 1
}

wrong() {
  printf 'setup.sh: %s\n          See setup.sh --help.\n' "$1" >&2
  exit 2
}

# What an earlier run was told holds, unless a variable or a flag says otherwise now.
read_settings() {
  local name value
  from_now=${PORTAL_FROM:-}
  if [ "$mode" != prepare ] && [ -r "$SETTINGS" ]; then
    while IFS='=' read -r name value; do
      [[ $name =~ ^BOX_[A-Z]+$|^PORTAL_[A-Z_]+$ ]] || continue
      value=${value#\"} value=${value%\"}
      [ -n "${!name+set}" ] || printf -v "$name" %s "$value"
    done <"$SETTINGS"
  fi
  user=${PORTAL_USER:-agent} port=${PORTAL_PORT:-7799} session=${PORTAL_SESSION:-claude}
  cwd=${PORTAL_CWD:-} agent=${PORTAL_AGENT:-claude} agent_command=${PORTAL_COMMAND:-} portal_args=${PORTAL_ARGS:-}
  node_major=${PORTAL_NODE_MAJOR:-24} from=${PORTAL_FROM:-}
  tailscale=${BOX_TAILSCALE:-yes} firewall=${BOX_FIREWALL:-no} upgrades=${BOX_UPGRADES:-no}
  push=${BOX_PUSH:-no} server=${BOX_SERVER:-no}
  # Mirrors: another address needs another key only where it signs for itself.
  node_repository=${PORTAL_NODE_REPOSITORY:-https://deb.nodesource.com/node_$node_major.x}
  node_key=${PORTAL_NODE_KEY:-https://deb.nodesource.com/gpgkey/nodesource-repo.gpg.key}
  node_fingerprint=${PORTAL_NODE_FINGERPRINT:-6F71F525282841EEDAF851B42F59B5F99B1BE0B4}
  tailscale_repository=${PORTAL_TAILSCALE_REPOSITORY:-https://pkgs.tailscale.com/stable}
  tailscale_fingerprint=${PORTAL_TAILSCALE_FINGERPRINT:-2596A99EAAB33821893C0A79458CA832957F5868}
}

read_flags() {
  local taken
  while [ $# -gt 0 ]; do
    taken=1
    case $1 in
      --user | --port | --session | --cwd | --agent | --command | --portal-args | --node | --from | --ts-authkey-file | --offline | --prepare)
        [ $# -ge 2 ] || wrong "$1 needs a value."
        taken=2
        ;;&
      --user) user=$2 ;;
      --port) port=$2 ;;
      --session) session=$2 ;;
      --cwd) cwd=$2 ;;
      --agent) agent=$2 agent_command='' ;;
      --command) agent_command=$2 ;;
      --portal-args) portal_args=$2 ;;
      --node) node_major=$2 node_repository=${PORTAL_NODE_REPOSITORY:-https://deb.nodesource.com/node_$2.x} ;;
      --from) from=$2 from_now=$2 ;;
      --ts-authkey-file) authkey_file=$2 ;;
      --offline) offline=$2 ;;
      --prepare) mode=prepare prepare=$2 ;;
      --tailscale | --firewall | --upgrades | --push | --server) printf -v "${1#--}" yes ;;
      --no-tailscale | --no-firewall | --no-upgrades | --no-push | --no-server) printf -v "${1#--no-}" no ;;
      --check) mode=check ;;
      --upgrade) mode=upgrade ;;
      --uninstall) mode=uninstall ;;
      --purge) purge=yes ;;
      *) wrong "There is no flag $1." ;;
    esac
    shift "$taken"
  done
}

# These end in files of systemd and the shell: what could mean something there is refused.
check_values() {
  [[ $user =~ ^[a-z_][a-z0-9_-]{0,31}$ ]] || wrong "--user must be a name of small letters, digits, - and _."
  [ "$user" != root ] || wrong "--user root: the agent works as a user without rights; name another."
  if ! [[ $port =~ ^[0-9]{4,5}$ ]] || ((port < 1024 || port > 65535)); then wrong '--port must be a number from 1024 to 65535.'; fi
  [[ $session =~ ^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$ ]] || wrong "--session must be letters, digits, - and _."
  if ! [[ $node_major =~ ^[0-9]{2}$ ]] || ((node_major < 20)); then wrong '--node must be 20 or more.'; fi
  case $agent in claude | codex | opencode | none) ;; *) wrong "--agent must be claude, codex, opencode or none." ;; esac
  [[ $agent_command =~ ^[A-Za-z0-9._/@%+=:,\ -]*$ ]] || wrong "--command must be plain words; put more into a script."
  [[ $portal_args =~ ^[A-Za-z0-9._/@+=:,\ -]*$ ]] || wrong "--portal-args must be plain words."
  [[ -z $cwd || $cwd =~ ^/[A-Za-z0-9._/@+-]*$ ]] || wrong "--cwd must be an absolute path of letters, digits and ._/@+-"
  [[ -z $from || $from =~ ^[A-Za-z0-9._/@+^~:-]+$ ]] || wrong "--from must be a package's name or a path."
  home=$(getent passwd "$user" | cut -d: -f6 || true)
  home=${home:-/home/$user}
  [[ $home =~ ^/[A-Za-z0-9._/@+-]*$ ]] || wrong "The home of $user has characters that systemd would not take."
  cwd=${cwd:-$home/work}
  if [ -z "$agent_command" ]; then
    if [ "$agent" = none ]; then agent_command=bash; else agent_command=$agent; fi
  fi
  chosen_from=$from
  # What was chosen once is not what an upgrade is to bring.
  if [ "$mode" = upgrade ]; then from=$from_now; fi
  if [ -z "$from" ]; then
    from=stackmemory@$VERSION
    if [ "$mode" = upgrade ]; then from=stackmemory@latest; fi
  fi
  case $from in *.tgz) from=$(realpath -m -- "$from") ;; esac
  [ -z "$offline" ] || offline=$(realpath -- "$offline") || wrong "--offline: there is no $offline."
}

# ---- saying and doing

say() {
  printf '%s\n' "$*"
  log "$*"
}

log() {
  [ "$mode" = check ] || [ "$mode" = prepare ] || printf '%s %s\n' "$(date -u +%FT%TZ)" "$*" >>"$LOG"
}

# Runs a command whose talk belongs into the log; its last words are shown where it fails.
quietly() {
  local output status=0
  output=$(mktemp)
  "$@" >"$output" 2>&1 </dev/null || status=$?
  if [ "$mode" != prepare ]; then sed 's/^/    /' "$output" >>"$LOG"; fi
  if [ "$status" != 0 ]; then tail -n 15 "$output" >&2; fi
  rm -f "$output"
  return "$status"
}

# Remembers what is about to be added, before it is: an interrupted run leaves nothing that --uninstall would not find.
note() { # note KIND NAME
  grep -qsxF -- "$1 $2" "$MANIFEST" || printf '%s %s\n' "$1" "$2" >>"$MANIFEST"
}

noted() { sed -n "s/^$1 //p" "$MANIFEST" 2>/dev/null || true; }

# What changed and may ask for a restart: kept in a file, so that a run that was interrupted is gone on with.
note_change() { printf '%s\n' "$1" >>"$STATE/changed"; }
has_changed() { grep -qsxF -- "$1" "$STATE/changed"; }

# Writes stdin to a file, in one step, where it differs.
put() { # put FILE MODE
  local new
  mkdir -p "$(dirname "$1")"
  new=$(mktemp "$(dirname "$1")/.new-XXXXXX")
  cat >"$new"
  chmod "$2" "$new"
  if [ -e "$1" ] && cmp -s "$new" "$1" && [ "$(stat -c %a "$1")" = "${2#0}" ]; then
    rm -f "$new"
    return
  fi
  [ -e "$1" ] || note file "$1"
  note_change "$1"
  mv -f "$new" "$1"
  log "wrote $1"
}

is_same() { # is_same FILE: whether it has what stdin has
  [ -e "$1" ] && cmp -s - "$1"
}

# Starts or restarts a unit; where that fails, what it said is told.
bring_up() { # bring_up start|restart UNIT
  quietly systemctl "$1" "$2" && return
  journalctl --no-pager --boot --lines 15 --output cat --unit "$2" 2>/dev/null | tee -a "$LOG" >&2
  fail "$2 does not $1." "journalctl -u $2"
}

has_systemd() { [ -d /run/systemd/system ]; }

as_user() {
  local way=() one
  # How this machine gets out, where it needs a proxy or a mirror.
  for one in $(compgen -e | grep -xiE 'https?_proxy|no_proxy|npm_config_registry|NODE_EXTRA_CA_CERTS'); do way+=("$one=${!one}"); done
  runuser -u "$user" -- env -i HOME="$home" USER="$user" LOGNAME="$user" LANG=C.UTF-8 PATH="$home/.local/bin:/usr/local/bin:/usr/bin:/bin" "${way[@]}" "$@"
}

# ---- packages

apt_options=(-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)

is_installed() {
  local one
  for one in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$one" 2>/dev/null)" = installed ] || return 1
  done
}

lists_are_fresh=no
install_packages() {
  if [ "$lists_are_fresh" = no ]; then
    quietly apt-get "${apt_options[@]}" update || fail 'apt-get update failed.' "Its words are in $LOG."
    lists_are_fresh=yes
  fi
  local planned one
  quietly dpkg --configure -a || true # Else apt refuses.
  planned=$(apt-get "${apt_options[@]}" install -s -y --no-install-recommends "$@") || {
    [ -z "$offline" ] || fail "$offline lacks some of these: $*" 'Was it prepared with the same flags?'
    fail "These cannot be installed: $*" "Its words are in $LOG; is there a network?"
  }
  while read -r one; do note package "$one"; done < <(sed -n 's/^Inst \([^ ]*\) (.*/\1/p' <<<"$planned")
  quietly apt-get "${apt_options[@]}" install -y --no-install-recommends "$@" ||
    fail "Installing $* failed." "Its words are in $LOG; run setup.sh again when the cause is gone."
}

# Of a downloaded key file, the one key that is meant, by its full fingerprint.
fetch_key() { # fetch_key URL FINGERPRINT FILE
  local directory
  directory=$(mktemp -d)
  quietly curl -fsSL --proto '=https,file' --retry 3 --max-time 60 -o "$directory/key" "$1" ||
    fail "$1 cannot be fetched." 'Run setup.sh again when the network is there.'
  GNUPGHOME=$directory gpg --batch --quiet --import "$directory/key" >/dev/null 2>&1 || true
  GNUPGHOME=$directory gpg --batch --quiet --export "$2" >"$3" 2>/dev/null || true
  rm -rf "$directory"
  [ -s "$3" ] || fail "The key at $1 is not the one with the fingerprint $2." 'Nothing was installed from there. Find out why before going on.'
}

put_key() { # put_key URL FINGERPRINT FILE
  local key
  key=$(mktemp)
  fetch_key "$1" "$2" "$key"
  put "$3" 0644 <"$key"
  rm -f "$key"
}

# A repository is for the packages that are named and no others.
put_repository() { # put_repository NAME URI SUITE KEYRING PACKAGES…
  local name=$1 uri=$2 suite=$3 keyring=$4 host
  shift 4
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: %s\nSigned-By: %s\n' \
    "$uri" "$suite" "$(dpkg --print-architecture)" "$keyring" | put "/etc/apt/sources.list.d/$name.sources" 0644
  host=$(sed -n 's|^https\?://\([^/:]*\).*|\1|p' <<<"$uri")
  if [ -n "$host" ]; then
    printf 'Package: *\nPin: origin "%s"\nPin-Priority: 1\n\nPackage: %s\nPin: origin "%s"\nPin-Priority: 600\n' \
      "$host" "$*" "$host" | put "/etc/apt/preferences.d/$name" 0644
  fi
  lists_are_fresh=no
}

# ---- the steps: whether one is done, and doing it
# is_… sets $finding, one line for people.

of_release() { sed -n "s/^$1=//p" /etc/os-release | tr -d "\"'"; }

is_machine() {
  local name
  distribution=$(of_release ID) release=$(of_release VERSION_CODENAME) name=$(of_release PRETTY_NAME)
  case "$distribution $(of_release VERSION_ID)" in
    'debian 12' | 'debian 13' | 'ubuntu 24.04') ;;
    *) fail "This is ${name:-unknown}; the box is made for Debian 12, Debian 13 and Ubuntu 24.04." ;;
  esac
  case $(dpkg --print-architecture) in
    amd64 | arm64) ;;
    *) fail "StackMemory has no binaries for $(dpkg --print-architecture), only for amd64 and arm64." ;;
  esac
  local free_mb
  free_mb=$(df --output=avail -m / | tail -n 1 | tr -d ' ')
  ((free_mb >= DISK_NEEDED_MB)) || [ -d "$PACKAGE" ] || fail "Only $free_mb MB are free on /; $DISK_NEEDED_MB are needed."
  finding="$name, $(dpkg --print-architecture), $free_mb MB free"
}

base_packages() {
  echo ca-certificates curl git gpg iproute2 tmux
  # A clock that nobody keeps makes the newest entry look old.
  if ! is_installed chrony && ! is_installed ntpsec; then echo systemd-timesyncd; fi
  if [ "$firewall" = yes ]; then echo nftables; fi
  if [ "$upgrades" = yes ]; then echo unattended-upgrades; fi
}

is_packages() {
  local missing=() one
  for one in $(base_packages); do is_installed "$one" || missing+=("$one"); done
  finding="${missing[*]:-$(base_packages | tr '\n' ' ')}"
  [ ${#missing[@]} = 0 ]
}
do_packages() {
  # shellcheck disable=SC2046 # A list of words.
  install_packages $(base_packages)
}

is_at_least() { printf '%s\n' "$@" | sort -VC; }

node_found() { # the version of a Node that every user can run
  local one
  for one in /usr/local/bin/node /usr/bin/node; do
    if [ -x "$one" ]; then "$one" --version | sed 's/^v//' && return; fi
  done
}

is_node() {
  local version
  version=$(node_found)
  finding=$version
  # Debian's own comes without npm.
  [ -n "$offline" ] || command -v npm >/dev/null || finding=${version:+$version, without npm}
  [ "$finding" = "$version" ] && is_at_least "$NODE_NEEDED" "$version"
}
do_node() {
  # It would stand before what is installed here.
  [ ! -e /usr/local/bin/node ] || fail "/usr/local/bin/node is $finding." "Take it away, or have $NODE_NEEDED or newer there, with npm."
  if [ -z "$offline" ]; then
    put_key "$node_key" "$node_fingerprint" /etc/apt/keyrings/stackmemory-node.gpg
    put_repository stackmemory-node "$node_repository" nodistro /etc/apt/keyrings/stackmemory-node.gpg nodejs
  fi
  install_packages nodejs
}

is_tailscale() {
  if [ "$tailscale" = no ]; then finding='not wanted' && return; fi
  finding=$(tailscale version 2>/dev/null | head -n 1)
  command -v tailscale >/dev/null
}
tailscale_key() { echo "${PORTAL_TAILSCALE_KEY:-$tailscale_repository/$distribution/$release.noarmor.gpg}"; }
do_tailscale() {
  if [ -z "$offline" ]; then
    put_key "$(tailscale_key)" "$tailscale_fingerprint" /etc/apt/keyrings/stackmemory-tailscale.gpg
    put_repository stackmemory-tailscale "$tailscale_repository/$distribution" "$release" \
      /etc/apt/keyrings/stackmemory-tailscale.gpg tailscale
  fi
  install_packages tailscale
}

is_user() {
  finding="$user, at home in $home"
  getent passwd "$user" >/dev/null && [ -d "$cwd" ] && [ -d "$home/.stackmemory" ] &&
    { ! grep -qsxF "user $user" "$MANIFEST" || [ "$(stat -c '%U %a' "$home")" = "$user 700" ]; }
}
do_user() {
  if ! getent passwd "$user" >/dev/null; then
    note user "$user"
    quietly useradd --create-home --home-dir "$home" --shell /bin/bash --comment 'owner of the agent' "$user" ||
      fail "The user $user could not be made."
  fi
  if grep -qxF "user $user" "$MANIFEST"; then
    # Also of a useradd that was interrupted.
    install -d -m 0700 -o "$user" -g "$(id -g "$user")" "$home"
    as_user cp -rn /etc/skel/. "$home/"
  fi
  # The units' sandboxes open it by name, so that it must be there.
  as_user mkdir -p -m 0700 "$home/.stackmemory"
  if [ ! -d "$cwd" ]; then
    as_user mkdir -p "$cwd" 2>/dev/null || install -d -o "$user" -g "$(id -gn "$user")" -m 0700 "$cwd"
  fi
}

version_of() { sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$1" 2>/dev/null | head -n 1; }

is_program() {
  finding=$(version_of "$PACKAGE/package.json")
  [ "$mode" != upgrade ] || [ "$upgraded" = yes ] || return 1
  local wanted
  case $from in
    *.tgz) wanted=$(tar -xOzf "$from" package/package.json 2>/dev/null | version_of -) ;;
    *) wanted=$(sed -n 's/^stackmemory@\([0-9].*\)$/\1/p' <<<"$from") ;;
  esac
  [ -n "$finding" ] && [ "$(readlink /usr/local/bin/sm)" = "$PREFIX/bin/sm" ] && [ -e "$OWN_LINK" ] && [ -f "$STATE/program.done" ] || return 1
  # Back to an older version, which refuses a newer one's brain, only where this run is told so.
  [ -z "$wanted" ] || [ "$wanted" = "$finding" ] || { [ -z "$from_now" ] && is_at_least "$wanted" "$finding"; }
}
do_program() {
  if [ -e /usr/local/bin/sm ] && [ "$(readlink /usr/local/bin/sm)" != "$PREFIX/bin/sm" ]; then
    fail '/usr/local/bin/sm is there, and is not of this set-up.' 'Take it away: npm uninstall -g stackmemory'
  fi
  note directory "$PREFIX"
  rm -f "$STATE/program.was"
  [ ! -f "$STATE/program.done" ] || mv "$STATE/program.done" "$STATE/program.was"
  if [ -n "$offline" ]; then
    mkdir -p "$PREFIX"
    tar -xzf "$offline/stackmemory.tar.gz" -C "$PREFIX" --no-same-owner
  else
    # No script of a package runs as root: StackMemory and what it needs have none.
    quietly npm install --global --prefix "$PREFIX" --cache "$PREFIX/.npm" --ignore-scripts --omit=dev --no-audit --no-fund --no-update-notifier "$from" || {
      # npm put back what was there.
      [ ! -f "$STATE/program.was" ] || ! sm --version >/dev/null 2>&1 || mv "$STATE/program.was" "$STATE/program.done"
      fail "npm could not install $from." "Its words are in $LOG."
    }
  fi
  [ -f "$PACKAGE/provisioning/setup.sh" ] || fail "$from is not StackMemory, or older than this script."
  note link /usr/local/bin/sm
  ln -sfn "$PREFIX/bin/sm" /usr/local/bin/sm
  note link "$OWN_LINK"
  ln -sfn "$PACKAGE/provisioning/setup.sh" "$OWN_LINK"
  /usr/local/bin/sm --version >/dev/null || fail 'StackMemory was installed, and does not start.'
  : >"$STATE/program.done"
  rm -f "$STATE/program.was"
  if [ "$mode" = upgrade ]; then
    upgraded=yes chosen_from=$from_now
    sed -i "s|^PORTAL_FROM=.*|PORTAL_FROM=\"$from_now\"|" "$SETTINGS"
  fi
  note_change "$PACKAGE"
}

agent_package() {
  case $agent in
    claude) echo @anthropic-ai/claude-code ;;
    codex) echo @openai/codex ;;
    opencode) echo opencode-ai ;;
  esac
}

is_agent() {
  finding=$agent
  if [ "$agent" = none ]; then finding='none wanted' && return; fi
  as_user sh -c "command -v $agent" >/dev/null 2>&1
}
do_agent() {
  if [ -n "$offline" ]; then
    as_user mkdir -p "$home/.local"
    as_user tar -xzf - -C "$home/.local" <"$offline/agent-$agent.tar.gz"
  else
    # As the user, in its home: it keeps itself up to date there, and what its packages run has no rights.
    quietly as_user npm install --global --prefix "$home/.local" --no-audit --no-fund --no-update-notifier "$(agent_package)" ||
      fail "npm could not install $(agent_package)." "Its words are in $LOG. --agent none goes on without."
  fi
}

settings_text() {
  cat <<TEXT
# Settings of this box. Change them with setup.sh, which keeps the units in step. Nothing here is secret.
PORTAL_USER="$user"
PORTAL_PORT="$port"
PORTAL_SESSION="$session"
PORTAL_CWD="$cwd"
PORTAL_AGENT="$agent"
PORTAL_COMMAND="$agent_command"
PORTAL_ARGS="$portal_args"
PORTAL_NODE_MAJOR="$node_major"
PORTAL_FROM="$chosen_from"
BOX_TAILSCALE="$tailscale"
BOX_FIREWALL="$firewall"
BOX_UPGRADES="$upgrades"
BOX_PUSH="$push"
BOX_SERVER="$server"
TEXT
}

is_settings() {
  finding=$SETTINGS
  settings_text | is_same "$SETTINGS"
}
do_settings() {
  note directory "$ETC"
  settings_text | put "$SETTINGS" 0644
}

unit_names() {
  echo stackmemory-session.service stackmemory-brain.service stackmemory-portal.service
  if [ "$firewall" = yes ]; then echo stackmemory-firewall.service; fi
  if [ "$server" = yes ]; then echo stackmemory-server.service; fi
}

# What is not wanted is done when its file is not there.
is_unwanted() { # is_unwanted FILE
  finding='not wanted'
  [ ! -e "$1" ]
}

drop_unit() { # drop_unit NAME
  if has_systemd; then quietly systemctl stop "$1" || true; fi
  quietly systemctl disable "$1" || true
  rm -f "$UNIT_DIRECTORY/$1"
}

unit_text() { # unit_text NAME
  sed -e "s|@USER@|$user|g" -e "s|@HOME@|$home|g" -e "s|@CWD@|$cwd|g" "$PACKAGE/provisioning/units/$1"
}

readonly PUSH_DROP_IN=$UNIT_DIRECTORY/stackmemory-portal.service.d/push.conf
is_units() {
  local one
  finding=$(unit_names | tr '\n' ' ')
  for one in $(unit_names); do unit_text "$one" | is_same "$UNIT_DIRECTORY/$one" || return 1; done
  is_same /etc/profile.d/stackmemory.sh <"$PACKAGE/provisioning/profile.sh" || return 1
  is_same /etc/needrestart/conf.d/stackmemory.conf <"$PACKAGE/provisioning/needrestart.conf" || return 1
  if [ "$push" = yes ]; then [ -e "$PUSH_DROP_IN" ]; else [ ! -e "$PUSH_DROP_IN" ]; fi
}
do_units() {
  local one
  for one in $(unit_names); do
    note unit "$one"
    unit_text "$one" | put "$UNIT_DIRECTORY/$one" 0644
  done
  put /etc/profile.d/stackmemory.sh 0644 <"$PACKAGE/provisioning/profile.sh"
  note directory-if-empty /etc/needrestart/conf.d
  note directory-if-empty /etc/needrestart
  put /etc/needrestart/conf.d/stackmemory.conf 0644 <"$PACKAGE/provisioning/needrestart.conf"
  if [ "$push" = yes ]; then
    note directory-if-empty "$(dirname "$PUSH_DROP_IN")"
    printf '# Push services are anywhere.\n[Service]\nIPAddressDeny=\n' | put "$PUSH_DROP_IN" 0644
  else
    rm -f "$PUSH_DROP_IN"
  fi
}

is_server() {
  if [ "$server" = no ]; then
    is_unwanted "$UNIT_DIRECTORY/stackmemory-server.service"
    return
  fi
  finding='as the user stackmemory'
  getent passwd stackmemory >/dev/null && [ "$(stat -c '%U:%G %a' "$ETC/server.env" 2>/dev/null)" = 'root:stackmemory 640' ]
}
do_server() {
  if [ "$server" = no ]; then
    drop_unit stackmemory-server.service # Its data stays.
    return
  fi
  if ! getent passwd stackmemory >/dev/null; then
    note user stackmemory
    quietly useradd --system --user-group --home-dir /var/lib/stackmemory-server --shell /usr/sbin/nologin stackmemory
  fi
  note data /var/lib/stackmemory-server
  # Never written over: it may hold the address of a database by now.
  if [ ! -e "$ETC/server.env" ]; then put "$ETC/server.env" 0640 <"$PACKAGE/provisioning/server.env"; fi
  chown root:stackmemory "$ETC/server.env"
  chmod 0640 "$ETC/server.env"
}

tailnet_address() { tailscale ip -4 2>/dev/null | head -n 1; }

is_tailnet() {
  if [ "$tailscale" = no ]; then finding='not wanted' && return; fi
  finding=$(tailnet_address)
  [ -n "$finding" ]
}
do_tailnet() {
  if has_systemd; then
    quietly systemctl enable tailscaled
    bring_up start tailscaled.service
  fi
  if [ -z "$authkey_file" ]; then
    say '   not yet in a tailnet: run "tailscale up --ssh", then this script again'
    return
  fi
  grep -q '^tskey-[A-Za-z0-9_-]*$' "$authkey_file" || fail "There is no key in $authkey_file." 'It is one line that begins with tskey-'
  [ "$(stat -c %a "$authkey_file")" = 600 ] || fail "$authkey_file can be read by others." "chmod 600 $authkey_file"
  # By its file: in the arguments every user of the machine would see it.
  quietly timeout 120 tailscale up --ssh --auth-key="file:$authkey_file" ||
    fail 'The tailnet did not take the key.' "Keys expire, and some are good once. Put a new one into $authkey_file."
  wipe_authkey
}

# The file, and what cloud-init keeps of the user-data that it came in, which it may fetch anew at every boot.
wipe_authkey() {
  local script=/var/lib/cloud/scripts/per-boot/stackmemory-wipe
  shred -u -- "$authkey_file"
  if [ -d /var/lib/cloud/scripts ]; then
    put "$script" 0700 <<'SCRIPT'
#!/bin/sh
# The key of the tailnet that the user-data has is of no use any more.
grep -rlas 'tskey-[A-Za-z]' /var/lib/cloud/instances /run/cloud-init | while read -r one; do
  # Of the same length: some of these are packed.
  perl -pi -e 's/tskey-([A-Za-z][A-Za-z0-9_-]*)/"tskey-" . "0" x length($1)/ge' "$one"
done
SCRIPT
    "$script"
  fi
  log 'joined the tailnet, and wiped its key'
}

is_firewall() {
  if [ "$firewall" = no ]; then
    is_unwanted "$UNIT_DIRECTORY/stackmemory-firewall.service"
    return
  fi
  finding='nothing comes in but the tailnet'
  is_same "$ETC/firewall.nft" <"$PACKAGE/provisioning/firewall.nft" &&
    { ! has_systemd || nft list table inet stackmemory_box >/dev/null 2>&1; }
}
do_firewall() {
  if [ "$firewall" = no ]; then
    drop_unit stackmemory-firewall.service
    return
  fi
  # Without a tailnet it would shut out whoever sets this up.
  if has_systemd && [ -z "$(tailnet_address)" ]; then
    say '   not yet: it needs a tailnet address, or nobody could come in at all'
    return
  fi
  put "$ETC/firewall.nft" 0644 <"$PACKAGE/provisioning/firewall.nft"
  quietly systemctl enable stackmemory-firewall.service
  if has_systemd; then bring_up restart stackmemory-firewall.service; fi
}

readonly UPGRADES=/etc/apt/apt.conf.d/52stackmemory
is_upgrades() {
  if [ "$upgrades" = no ]; then
    is_unwanted "$UPGRADES"
    return
  fi
  finding='security updates, Node.js and Tailscale'
  is_same "$UPGRADES" <"$PACKAGE/provisioning/apt-upgrades.conf"
}
do_upgrades() {
  if [ "$upgrades" = no ]; then rm -f "$UPGRADES"; else put "$UPGRADES" 0644 <"$PACKAGE/provisioning/apt-upgrades.conf"; fi
}

services() { unit_names | tr ' ' '\n' | grep -v firewall; }

is_running() {
  local one
  finding='enabled, for the next boot: no systemd runs here'
  for one in $(services); do systemctl is-enabled --quiet "$one" 2>/dev/null || { finding="$one is not enabled" && return 1; }; done
  has_systemd || return 0
  for one in $(services); do systemctl is-active --quiet "$one" || { finding="$one does not run" && return 1; }; done
  finding='all units'
}
do_running() {
  local one
  for one in $(services); do quietly systemctl enable "$one" || fail "$one cannot be enabled."; done
  has_systemd || return 0
  for one in $(services); do
    bring_up start "$one"
  done
}

# Units whose files or program changed. The session is never touched: the agent in it is at work.
restart_changed() {
  has_systemd || return 0
  local one
  if [ -e "$STATE/changed" ]; then quietly systemctl daemon-reload; fi
  for one in $(services); do
    if ! systemctl is-active --quiet "$one"; then
      continue # It is started afterwards, as it is now.
    elif [ "$one" = stackmemory-session.service ]; then
      if has_changed "$UNIT_DIRECTORY/$one" || has_changed "$SETTINGS"; then
        say '   the session goes on as it is; "systemctl restart stackmemory-session" ends the agent and starts it anew'
      fi
    elif has_changed "$UNIT_DIRECTORY/$one" || has_changed "$PACKAGE" || has_changed "$SETTINGS" || has_changed "$PUSH_DROP_IN"; then
      bring_up restart "$one"
      say "   restarted $one"
    fi
  done
  rm -f "$STATE/changed"
}

# ---- the runs

readonly STEPS=(machine settings packages node tailscale user program agent server units tailnet firewall upgrades running)

take_lock() {
  install -d -m 0700 "$STATE"
  exec 9>"$STATE/lock"
  flock -n 9 || fail 'Another setup.sh runs.'
  touch "$MANIFEST"
  touch "$LOG"
  chmod 0600 "$LOG"
}

use_offline() {
  [ -f "$offline/SHA256SUMS" ] || fail "$offline is not what --prepare makes: SHA256SUMS is missing."
  (cd "$offline" && sha256sum --quiet -c SHA256SUMS >&2) || fail "$offline is damaged." 'Prepare it again, or copy it again.'
  local sources=$STATE/offline.list
  printf 'deb [trusted=yes] file:%s/debs ./\n' "$offline" >"$sources"
  apt_options+=(-o "Dir::Etc::sourcelist=$sources" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null)
}

run_setup() {
  local step
  take_lock
  say "StackMemory's box: $(date -u +%FT%TZ), log in $LOG"
  [ -z "$offline" ] || use_offline
  for step in "${STEPS[@]}"; do
    if [ "$step" = running ]; then restart_changed; fi
    if "is_$step"; then
      say "ok $step: $finding"
    else
      say ".. $step"
      "do_$step"
      # What only a person can do (joining the tailnet) stays open, and was said.
      if "is_$step"; then say "ok $step: $finding"; fi
    fi
  done
  [ -z "$offline" ] || rm -f "$STATE/offline.list"
  farewell
}

farewell() {
  local address
  address=127.0.0.1
  if [ "$tailscale" = yes ] && [ -n "$(tailnet_address)" ]; then address=$(tailnet_address); fi
  say "Done. The portal: http://$address:$port"
  # The token is for a person at a terminal, and is never written to a log.
  printf "  its token:         su - %s -c 'sm portal token'\n" "$user"
  printf "  the session:       su - %s -c 'tmux attach'\n" "$user"
  [ "$agent" = none ] || printf "  give it the brain: su - %s -c 'sm setup %s'\n" "$user" "$agent"
  printf "  is it sound:       %s --check, and su - %s -c 'sm doctor'\n" "${OWN_LINK##*/}" "$user"
}

run_check() {
  local step is_sound=yes
  for step in "${STEPS[@]}"; do
    if ! [ -d "$PACKAGE" ] && [[ " server units firewall upgrades running " == *" $step "* ]]; then
      printf '!! %s: after the program is installed\n' "$step"
      is_sound=no
    elif "is_$step"; then
      printf 'ok %s: %s\n' "$step" "$finding"
    else
      printf '!! %s: would be done (now: %s)\n' "$step" "${finding:-nothing}"
      is_sound=no
    fi
  done
  if [ "$is_sound" = no ]; then exit 3; fi
}

# Without procps, which a small machine may lack.
end_processes() {
  local round process
  for round in 1 2 3 4 5; do
    for process in /proc/[0-9]*; do
      if [ "$(stat -c %U "$process" 2>/dev/null)" = "$1" ]; then
        kill -KILL "${process#/proc/}" 2>/dev/null || true
        round=again
      fi
    done
    [ "$round" = again ] || return 0
    sleep 0.2
  done
}

run_uninstall() {
  [ -f "$MANIFEST" ] || fail 'This script has set up nothing here.'
  take_lock
  local one packages=()
  for one in $(noted unit); do drop_unit "$one"; done
  while read -r one; do
    rm -f -- "$one"
    log "removed $one"
  done < <(noted file && noted link)
  while read -r one; do rm -rf -- "$one"; done < <(noted directory)
  while read -r one; do rmdir --ignore-fail-on-non-empty -- "$one" 2>/dev/null || true; done < <(noted directory-if-empty)
  if has_systemd; then quietly systemctl daemon-reload; fi
  for one in $(noted user); do
    if [ "$purge" = yes ]; then
      end_processes "$one"
      quietly userdel --remove "$one" || fail "The user $one could not be removed." "See what it still runs: ps -u $one"
    else
      say "kept: the user $one with all that is its own (--purge removes it)"
    fi
  done
  if [ "$purge" = yes ]; then
    while read -r one; do rm -rf -- "$one"; done < <(noted data)
  fi
  # Last: the way in may be one of them.
  for one in $(noted package); do ! is_installed "$one" || packages+=("$one"); done
  if [ ${#packages[@]} -gt 0 ]; then
    # Only what came with this script; what others have come to need meanwhile stays.
    quietly dpkg --configure -a || true
    quietly apt-mark auto "${packages[@]}"
    one=$(apt-get -s -oAPT::AutoRemove::{Recommends,Suggests}Important=no autoremove) ||
      fail 'The packages could not be removed.' 'See apt-get check.'
    mapfile -t packages < <(sed -n 's/^Remv \([^ ]*\) .*/\1/p' <<<"$one" | grep -xF "$(printf '%s\n' "${packages[@]}")")
    [ ${#packages[@]} = 0 ] || quietly apt-get "${apt_options[@]}" -y purge "${packages[@]}" ||
      fail 'The packages could not be removed.' "Its words are in $LOG."
  fi
  say 'Removed.'
  if [ "$purge" = yes ] || [ -z "$(noted user)" ]; then
    rm -rf "$STATE" "$LOG"
  else
    sed -i '/^user \|^data /!d' "$MANIFEST"
    rm -f "$STATE/changed" "$STATE/program.done"
  fi
}

main() {
  local argument
  for argument in "$@"; do
    case $argument in
      -h | --help) usage && exit 0 ;;
      --prepare) mode=prepare ;; # For another machine, whatever was chosen for this one.
    esac
  done
  read_settings
  read_flags "$@"
  check_values
  [ "$(id -u)" = 0 ] || fail 'This needs root.' 'sudo ./setup.sh …'
  case $mode in
    setup | upgrade) run_setup ;;
    check) run_check ;;
    uninstall) run_uninstall ;;
    prepare)
      # shellcheck source=provisioning/prepare.sh
      . "$(dirname "$(realpath "$0")")/prepare.sh"
      ;;
  esac
}

# Read to its end before anything runs: half a script that was cut off in transit does nothing.
main "$@"
