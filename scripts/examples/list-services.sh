#!/usr/bin/env bash
# Prints the services of a host, one a line, to choose from: list-services.sh HOST
set -euo pipefail

case ${1:-} in
alpha) printf '%s\n' api web worker ;;
beta) printf '%s\n' database cache ;;
*)
  echo "usage: list-services.sh alpha|beta" >&2
  exit 64
  ;;
esac
