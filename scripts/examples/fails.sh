#!/usr/bin/env bash
# Fails as programs do: a little output, a reason on stderr, exit code 3.
set -euo pipefail

echo "Connecting to the database"
sleep 0.5
echo "error: connection refused (127.0.0.1:5432)" >&2
exit 3
