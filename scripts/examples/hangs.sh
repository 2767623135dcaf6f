#!/usr/bin/env bash
# Never ends and ignores TERM, so that only its timeout or Cancel stops it.
set -euo pipefail

trap '' TERM
echo "I do not stop by myself."
while true; do
  printf '.'
  sleep 2
done
