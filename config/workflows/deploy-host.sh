#!/usr/bin/env bash
# Brings a version to a host by ssh, and says what was there: `before VERSION`. On the host, /opt/app/deploy VERSION does
# it, and /opt/app/version holds the version that runs. Change both to what you have.
set -euo pipefail

host=${1:?the host}
version=${2:?the version}
# The words end up in a command line on the host; so nothing but names and versions goes there.
for word in "$host" "$version"; do
  [[ $word =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || {
    echo "“$word” is neither a host nor a version." >&2
    exit 2
  }
done

on_host() {
  ssh -n -o BatchMode=yes -o ConnectTimeout=10 -- "$host" "$@"
}

before=$(on_host cat /opt/app/version)
echo "before $before"
on_host /opt/app/deploy "$version"
after=$(on_host cat /opt/app/version)
[ "$after" = "$version" ] || {
  echo "$host says that it runs $after." >&2
  exit 1
}
echo "$host runs $version"
