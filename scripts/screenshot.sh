#!/usr/bin/env bash
# Draws docs/sandbox.png, the picture in the README, in a headless Chromium.
#
# Needs, on Debian: chromium, chromium-driver, and fonts-noto-color-emoji for the signs in the messages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ ! -d ${HOME-}/.cargo/bin ]] || PATH=$HOME/.cargo/bin:$PATH

for tool in cargo chromium chromedriver; do
  command -v "$tool" >/dev/null || {
    printf 'error: %s is missing\n' "$tool" >&2
    exit 1
  }
done
cargo test --locked --test it -- --ignored --exact page::draw_the_picture_of_the_readme
ls -l docs/sandbox.png
