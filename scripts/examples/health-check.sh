#!/usr/bin/env bash
# Load, memory and disks of this machine; exits 1 when a disk is fuller than the limit: health-check.sh [PERCENT]
set -euo pipefail

limit=${1:-90}
read -r one five fifteen _ </proc/loadavg
printf 'Load    %s  %s  %s  on %s cores\n' "$one" "$five" "$fifteen" "$(getconf _NPROCESSORS_ONLN)"

awk '/^MemTotal:/ { total = $2 } /^MemAvailable:/ { free = $2 }
     END { printf "Memory  %.1f of %.1f GiB free\n", free / 1048576, total / 1048576 }' /proc/meminfo

read -r seconds _ </proc/uptime
seconds=${seconds%.*}
printf 'Uptime  %d days %d hours\n\n' $((seconds / 86400)) $((seconds % 86400 / 3600))

full=0
while read -r percent target; do
  mark=ok
  if ((${percent%\%} >= limit)); then
    mark=FULL
    full=1
  fi
  printf '%-4s %4s  %s\n' "$mark" "$percent" "$target"
done < <(df --local --output=pcent,target -x tmpfs -x devtmpfs -x squashfs 2>/dev/null | tail -n +2)

exit "$full"
