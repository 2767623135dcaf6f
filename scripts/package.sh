#!/usr/bin/env bash
# Makes the Debian package: target/debian/opsgram_*.deb
#
#   scripts/package.sh                  builds the program in the release profile, and the package
#   scripts/package.sh --binary FILE    packs this program instead, for a quick look at the package
#   scripts/package.sh --help           this text
#
# Needs cargo-deb: cargo install cargo-deb --locked
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ ! -d ${HOME-}/.cargo/bin ]] || PATH=$HOME/.cargo/bin:$PATH

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

binary=''
case ${1-} in
  '') ;;
  --binary) binary=${2:?--binary needs a file} ;;
  --help | -h) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" && exit 0 ;;
  *) fail "there is no option $1; --help lists them" ;;
esac
command -v cargo-deb >/dev/null || fail 'cargo-deb is missing; run: cargo install cargo-deb --locked'

target=${CARGO_TARGET_DIR:-target}
if [[ -z $binary ]]; then
  cargo build --release --locked --bin opsgram
  binary=$target/release/opsgram
elif [[ ! $binary -ef $target/release/opsgram ]]; then
  install -D -m 755 "$binary" "$target/release/opsgram"
fi

# What belongs to the package and is made from what the repository has.
made=target/package
rm -rf "$made"
mkdir -p "$made/systemd"
"$binary" man "$made/man"
"$binary" completions bash >"$made/bash"
"$binary" completions zsh >"$made/zsh"
"$binary" completions fish >"$made/fish"
sed 's|/usr/local/bin/opsgram|/usr/bin/opsgram|' config/opsgram.service >"$made/systemd/opsgram.service"
state=/var/lib/opsgram
sed -e "s|^data_dir: .*|data_dir: $state|" -e "s|^database: .*|database: sqlite://$state/opsgram.db|" \
  -e 's|^  token_file: .*|  token_file: /etc/opsgram/telegram-token|' config/opsgram.yaml >"$made/opsgram.yaml"
echo '# Variables for the service and the scripts that name them under env_pass or secrets: NAME=value' \
  >"$made/environment"

cargo deb --no-build --locked
