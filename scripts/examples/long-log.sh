#!/usr/bin/env bash
# Prints many lines as fast as it can: long-log.sh [LINES]
set -euo pipefail

lines=${1:-20000}
awk -v lines="$lines" 'BEGIN {
  for (i = 1; i <= lines; i++)
    printf "%05d  request handled, status %d, %d ms, client 192.0.2.%d\n", i, i % 97 ? 200 : 500, i * 7 % 431, i % 254 + 1
}'
