#!/usr/bin/env bash
# Installs cloudflared from Cloudflare's own package source, on Debian and its kin. Each part is looked at before the next
# begins; what is there already is not done again, so that it may be started as often as you like. With an argument, key and
# source go below that folder: the root of another system, such as an image that is being made.
set -euo pipefail

root=${1:-}
folder=$root/usr/share/keyrings
key=$folder/cloudflare-main.gpg
list=$root/etc/apt/sources.list.d/cloudflared.list
source_line="deb [signed-by=/usr/share/keyrings/${key##*/}] https://pkg.cloudflare.com/cloudflared any main"

fail() {
  echo "$1" >&2
  exit 1
}

# As root, or by sudo without a question: nobody is there to answer it.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo -n -- "$@"
  fi
}

if cloudflared --version 2>/dev/null; then
  exit 0
fi
command -v apt-get >/dev/null || fail "This machine has no apt-get; install cloudflared in its own way."
command -v curl >/dev/null || fail "This needs curl: apt-get install curl"

made=$(mktemp -d)
trap 'rm -rf -- "$made"' EXIT

echo "The folder of keys: $folder"
as_root mkdir -p --mode=0755 "$folder"
[ -d "$folder" ] || fail "$folder is not there."

echo "The key of the packages: $key"
curl -fsSL --max-time 60 -o "$made/key" https://pkg.cloudflare.com/cloudflare-main.gpg
[ -s "$made/key" ] || fail "The key that was fetched is empty."
as_root install -m 0644 "$made/key" "$key"
[ -s "$key" ] || fail "$key was not written."

echo "The source of packages: $list"
printf '%s\n' "$source_line" >"$made/list"
as_root install -D -m 0644 "$made/list" "$list"
grep -qxF "$source_line" "$list" || fail "$list does not say what it should."

echo "The package"
as_root env DEBIAN_FRONTEND=noninteractive apt-get -o "Dir=${root:-/}" update
as_root env DEBIAN_FRONTEND=noninteractive apt-get -o "Dir=${root:-/}" install -y cloudflared
cloudflared --version || fail "cloudflared was installed and does not start."
