#!/usr/bin/env bash
# A table that is better read as a file: the largest processes of this machine.
set -euo pipefail

echo "pid,memory_kib,name"
for status in /proc/[0-9]*/status; do
  awk '/^Name:/ { name = $2 } /^Pid:/ { pid = $2 } /^VmRSS:/ { memory = $2 }
       END { if (memory) printf "%d,%d,%s\n", pid, memory, name }' "$status" 2>/dev/null || true
done | sort --field-separator=, --key=2 --numeric-sort --reverse
