#!/usr/bin/env bash
# Plays the restart of a service, changing nothing: restart.sh HOST SERVICE WAIT FORCE [PLAN]
set -euo pipefail

if (($# < 4 || $# > 5)); then
  echo "usage: restart.sh HOST SERVICE WAIT FORCE [PLAN]" >&2
  exit 64
fi
echo "Stopping $2 on $1 (force: $4)"
sleep 1
if (($# == 5)); then
  echo "Reading the plan: $(wc -l <"$5") lines"
fi
echo "Waiting for $3 s of quiet, in this play none"
echo "$2 runs on $1."
