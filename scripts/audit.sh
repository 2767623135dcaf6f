#!/usr/bin/env bash
# Looks at what Opsgram is built from: licences, sources, duplicate versions, known weaknesses, unused dependencies.
#
#   scripts/audit.sh            looks, and writes a list of all parts (SBOM, CycloneDX) to target/opsgram.cdx.json
#   scripts/audit.sh --help     this text
#
# Tools that are missing are built first, which takes some minutes. deny.toml says what is accepted, and why. Known
# weaknesses come from RustSec's database; where that cannot be reached, this says so and the rest counts.
set -euo pipefail

if [[ ${1-} == --help || ${1-} == -h ]]; then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  exit 0
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ ! -d ${HOME-}/.cargo/bin ]] || PATH=$HOME/.cargo/bin:$PATH

failed=0
missed=''

step() { printf '==> %s\n' "$1"; }

check() {
  local what=$1
  shift
  step "$what"
  "$@" || {
    failed=1
    printf 'not in order: %s\n' "$what" >&2
  }
}

for tool in cargo-deny cargo-machete cargo-cyclonedx; do
  command -v "$tool" >/dev/null || {
    step "Installing $tool"
    cargo install --locked "$tool"
  }
done

check 'Licences, sources, duplicate versions' cargo deny --locked check licenses bans sources
if cargo deny --locked fetch db; then
  check 'Known weaknesses' cargo deny --locked check --disable-fetch advisories
else
  missed='the database of RustSec could not be reached, so known weaknesses were not looked for.'
fi
check 'Unused dependencies' cargo machete
check 'The list of parts' cargo cyclonedx --format json --override-filename opsgram.cdx
if [[ -f opsgram.cdx.json ]]; then
  mkdir -p target
  mv opsgram.cdx.json target/opsgram.cdx.json
fi

[[ -z $missed ]] || printf 'warning: %s\n' "$missed" >&2
((failed == 0)) || exit 1
step 'All that was looked at is in order'
