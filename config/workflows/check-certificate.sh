#!/usr/bin/env bash
# Says until when the certificate of HOST:PORT counts, and fails when that is in less than DAYS. Exit code 3: it was looked
# at, and another look would not change it.
set -euo pipefail

host=${1:?the host}
port=${2:?the port}
days=${3:?how many days it must still count}

shown=$(openssl s_client -connect "$host:$port" -servername "$host" </dev/null 2>/dev/null || true)
until=$(openssl x509 -noout -enddate <<<"$shown" 2>/dev/null | cut -d= -f2) || {
  echo "$host:$port shows no certificate." >&2
  exit 1
}
echo "until $until"
openssl x509 -noout -subject -issuer <<<"$shown"
openssl x509 -noout -checkhost "$host" <<<"$shown" | grep -q 'does match' || {
  echo "The certificate is not for $host." >&2
  exit 3
}
openssl x509 -noout -checkend "$((days * 24 * 3600))" <<<"$shown" >/dev/null || {
  echo "It counts for less than $days days." >&2
  exit 3
}
