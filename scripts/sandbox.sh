#!/usr/bin/env bash
# Builds Opsgram and runs it against a Telegram stand-in on this machine: no token, no internet.
#
#   scripts/sandbox.sh                      a chat page at http://127.0.0.1:8090/
#   scripts/sandbox.sh --port 0             the same at a free port
#   scripts/sandbox.sh --terminal           a chat in this terminal
#   scripts/sandbox.sh --say "/run hello"   sends a command, prints the conversation, and ends
#   scripts/sandbox.sh --help               all options of `opsgram sandbox`
#
# The people and scripts are those of config/sandbox.yaml, which is built in; what it stores is gone afterwards.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[[ ! -d ${HOME-}/.cargo/bin ]] || PATH=$HOME/.cargo/bin:$PATH

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

command -v cargo >/dev/null || fail 'cargo is missing; install Rust from https://rustup.rs, then run this again'
command -v cc >/dev/null || fail 'a C compiler is missing; on Debian: sudo apt-get install build-essential'

# The settings of somebody's real bot must not reach the sandbox; how much is logged may.
for name in "${!OPSGRAM_@}" TELEGRAM_TOKEN TELEGRAM_BOT_TOKEN CREDENTIALS_DIRECTORY; do
  [[ $name == OPSGRAM_LOG* ]] || unset "$name"
done

[[ -x ${CARGO_TARGET_DIR:-$root/target}/debug/opsgram ]] ||
  echo 'Building opsgram in the debug profile, which builds quickest. The first time takes a few minutes.' >&2
cargo build --manifest-path "$root/Cargo.toml" --locked --bin opsgram
exec cargo run --quiet --manifest-path "$root/Cargo.toml" --locked --bin opsgram -- sandbox "$@"
