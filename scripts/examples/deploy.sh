#!/usr/bin/env bash
# Plays a deployment, changing nothing: deploy.sh --service NAME TAG
set -euo pipefail

if (($# != 3)) || [[ $1 != --service ]]; then
  echo "usage: deploy.sh --service NAME TAG" >&2
  exit 64
fi
service=$2
tag=$3

step() {
  printf '%s  %s\n' "$(date '+%H:%M:%S')" "$1"
  sleep 1
}

step "Fetching $service $tag"
step "Checking the image"
step "Stopping the old $service"
step "Migrating the database"
step "Starting $service $tag"
step "Waiting for its health check"
echo "$service runs $tag in ${MODE:-test} mode."
