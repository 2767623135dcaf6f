#!/usr/bin/env bash
# Prints a line every half second for about fifteen seconds.
set -euo pipefail

for i in {1..30}; do
  printf '%s  line %d of 30\n' "$(date '+%H:%M:%S')" "$i"
  sleep 0.5
done
