#!/usr/bin/env bash
# A package repository as NodeSource's and Tailscale's are, signed with a key of its own: this machine's Node.js, and a
# stand-in for Tailscale that needs no account. Usage: repository.sh DIRECTORY   (prints the key's fingerprint)
set -euo pipefail
directory=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$directory/pool" "$directory/gpg"
chmod 0700 "$directory/gpg"
export GNUPGHOME=$directory/gpg

build() { # build NAME VERSION: packs $directory/NAME
  mkdir -p "$directory/$1/DEBIAN"
  printf 'Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: test <test@example.org>\nDescription: for tests\n' \
    "$1" "$2" >"$directory/$1/DEBIAN/control"
  for one in postinst prerm; do
    if [ -f "$directory/$1/$one" ]; then
      mv "$directory/$1/$one" "$directory/$1/DEBIAN/$one"
      chmod 0755 "$directory/$1/DEBIAN/$one"
    fi
  done
  dpkg-deb --root-owner-group -Zgzip -z1 -b "$directory/$1" "$directory/pool/$1_$2_amd64.deb" >/dev/null
  rm -rf "${directory:?}/$1"
}

node=$(realpath "$(command -v node)")
npm=$(realpath "$(dirname "$(realpath "$(command -v npm)")")/..")
mkdir -p "$directory/nodejs/usr/bin" "$directory/nodejs/usr/lib/node_modules"
cp "$node" "$directory/nodejs/usr/bin/node"
cp -a "$npm" "$directory/nodejs/usr/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$directory/nodejs/usr/bin/npm"
build nodejs "$("$node" --version | tr -d v)-1test1"

mkdir -p "$directory/tailscale/usr/bin" "$directory/tailscale/usr/sbin" "$directory/tailscale/usr/lib/systemd/system"
install -m 0755 "$here/fake-tailscale.sh" "$directory/tailscale/usr/bin/tailscale"
cp "$here/fake-tailscaled.service" "$directory/tailscale/usr/lib/systemd/system/tailscaled.service"
build tailscale 1.0-1test1

# Not in the repository: a Node.js as Debian 13 has it, new enough and without npm.
mkdir -p "$directory/nodejs/usr/bin"
printf '#!/bin/sh\necho v20.19.2\n' >"$directory/nodejs/usr/bin/node"
chmod 0755 "$directory/nodejs/usr/bin/node"
build nodejs 20.19.2-1
mv "$directory/pool/nodejs_20.19.2-1_amd64.deb" "$directory/without-npm.deb"

cd "$directory"
gpg --batch --quiet --passphrase '' --quick-generate-key 'a test <test@example.org>' ed25519 sign never 2>/dev/null
fingerprint=$(gpg --list-keys --with-colons 2>/dev/null | sed -n 's/^fpr:*\([0-9A-F]*\):$/\1/p' | head -n 1)
gpg --batch --armor --export "$fingerprint" >key.asc
for suite in nodistro bookworm trixie; do
  mkdir -p "dists/$suite/main/binary-amd64"
  for one in pool/*.deb; do
    dpkg-deb -f "$one"
    printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$one" "$(stat -c %s "$one")" "$(sha256sum "$one" | cut -d' ' -f1)"
  done >"dists/$suite/main/binary-amd64/Packages"
  (
    cd "dists/$suite"
    printf 'Origin: test\nSuite: %s\nCodename: %s\nComponents: main\nArchitectures: amd64\nDate: %s\nSHA256:\n %s %s %s\n' \
      "$suite" "$suite" "$(date -Ru)" "$(sha256sum main/binary-amd64/Packages | cut -d' ' -f1)" \
      "$(stat -c %s main/binary-amd64/Packages)" main/binary-amd64/Packages >Release
    gpg --batch --quiet --yes --clearsign -o InRelease Release
  )
done
echo "$fingerprint"
