#!/usr/bin/env bash
# Greets: hello.sh [NAME]
set -euo pipefail

printf 'Hello, %s! This is %s, %s.\n' "${1:-world}" "$(uname -n)" "$(date '+%H:%M:%S')"
