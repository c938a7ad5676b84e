# shellcheck shell=bash disable=SC2034,SC2154 # What setup.sh has set, and what it will read.
# setup.sh --prepare, which reads this: gathers on a machine with a network what --offline needs on one without. A file of
# its own, since user-data has no room for it.

run_prepare() {
  command -v npm >/dev/null || fail '--prepare needs Node.js and npm on this machine.'
  mkdir -p "$prepare/debs/partial"
  prepare=$(realpath "$prepare")
  local work packages
  work=$(mktemp -d)
  is_machine
  mkdir -p "$work/parts" "$work/keyrings"
  cp -a /etc/apt/sources.list.d/. "$work/parts/"
  [ ! -f /etc/apt/sources.list ] || cp /etc/apt/sources.list "$work/parts/main.list"
  firewall=yes upgrades=yes
  packages="$(base_packages | tr '\n' ' ') nodejs"
  prepare_repository node "$node_key" "$node_fingerprint" "$node_repository" nodistro
  if [ "$tailscale" = yes ]; then
    packages="$packages tailscale"
    prepare_repository tailscale "$(tailscale_key)" "$tailscale_fingerprint" "$tailscale_repository/$distribution" "$release"
  fi
  mkdir -p "$work/lists/partial"
  # As if nothing were installed, so that whatever the box lacks is there.
  apt_options+=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/parts" -o "Dir::State::lists=$work/lists"
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::status=/dev/null -o "Dir::Cache::archives=$prepare/debs" -o APT::Sandbox::User=root)
  echo 'gathering packages'
  quietly apt-get "${apt_options[@]}" update || fail 'apt-get update failed.'
  # shellcheck disable=SC2086 # A list of words.
  quietly apt-get "${apt_options[@]}" install -y --no-install-recommends --download-only $packages ||
    fail 'The packages could not be gathered.'
  rm -rf "$prepare/debs/partial" "$prepare/debs/lock"
  (cd "$prepare/debs" && index_packages >Packages)
  echo 'gathering StackMemory'
  quietly npm install --global --prefix "$work/stackmemory" --ignore-scripts --omit=dev --no-audit --no-fund "$from" || fail "npm could not install $from."
  tar -czf "$prepare/stackmemory.tar.gz" --owner=0 --group=0 -C "$work/stackmemory" .
  if [ "$agent" != none ]; then
    echo "gathering $agent"
    quietly npm install --global --prefix "$work/agent" --no-audit --no-fund "$(agent_package)" || fail "npm could not install $(agent_package)."
    tar -czf "$prepare/agent-$agent.tar.gz" --owner=0 --group=0 -C "$work/agent" .
  fi
  cp "$work/stackmemory/lib/node_modules/stackmemory/provisioning/setup.sh" "$prepare/"
  (cd "$prepare" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum) >"$work/SHA256SUMS"
  cp "$work/SHA256SUMS" "$prepare/"
  rm -rf "$work"
  echo "done: copy $prepare to the box, and run ./setup.sh --offline . in it"
}

prepare_repository() { # prepare_repository NAME KEY-URL FINGERPRINT URI SUITE
  fetch_key "$2" "$3" "$work/keyrings/$1.gpg"
  # Where this machine has it already, with its key elsewhere, apt would not choose between the two.
  { grep -lF -- "${4#*:}" "$work/parts/"*.sources 2>/dev/null || true; } | xargs -r rm --
  find "$work/parts" -name '*.list' -exec sed -i "\\|${4#*:}|d" {} +
  # Of a mirror on a disk apt would use the packages where they are; they are wanted in the directory.
  printf 'deb [signed-by=%s] %s %s main\n' "$work/keyrings/$1.gpg" "${4/#file:/copy:}" "$5" >"$work/parts/stackmemory-$1.list"
}

# What dpkg-scanpackages makes, without a package of its own.
index_packages() {
  local one
  for one in *.deb; do
    dpkg-deb -f "$one"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$one" "$(stat -c %s "$one")" "$(sha256sum "$one" | cut -d' ' -f1)"
  done
}

run_prepare
