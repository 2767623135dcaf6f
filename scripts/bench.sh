#!/usr/bin/env bash
# Measures the bot end to end and prints a table; takes about five minutes after the build.
#
# The release build runs against the Telegram stand-in on this machine, SQLite at synchronous=FULL. Where there is
# Python, a bare python-telegram-bot that stores nothing is measured in the same run, in a throw-away environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=''
cleanup() { [[ -z $venv ]] || rm -rf "$venv"; }
trap cleanup EXIT

if command -v python3 >/dev/null; then
  venv=$(mktemp -d)
  if python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check 'python-telegram-bot==22.*'; then
    export OPSGRAM_BENCH_PYTHON="$venv/bin/python"
  else
    echo "No bare bot to compare with: its Python environment could not be made."
  fi
else
  echo "No bare bot to compare with: there is no python3 here."
fi

cargo bench --bench end_to_end -- "$@"
cargo bench --bench samples
