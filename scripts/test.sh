#!/usr/bin/env bash
# Checks everything: format, lints, documentation, and the tests on SQLite and PostgreSQL.
#
#   scripts/test.sh             the whole run, as CI does it
#   scripts/test.sh FILTER      only the tests whose names hold FILTER, without the lints; what is given goes to
#                               `cargo test`, so that `--test it FILTER` and `FILTER -- --nocapture` work, too
#   scripts/test.sh --help      this text
#
# Needs Debian (or one of its children) and a Rust toolchain. Packages that are missing are installed, with sudo when
# you are not root. PostgreSQL runs in a temporary folder on a free port of 127.0.0.1 and is gone afterwards.
set -euo pipefail

if [[ ${1-} == --help || ${1-} == -h ]]; then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  exit 0
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ ! -d ${HOME-}/.cargo/bin ]] || PATH=$HOME/.cargo/bin:$PATH
# Debian keeps these two where only root looks.
PATH=$PATH:/usr/sbin:/sbin

scratch='' # the temporary folder
server=''  # the folder of PostgreSQL's programs, once a server may be running
child=''   # the process group of the running step

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

announce() {
  printf '==> [%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$1"
}

# Runs a command in a process group of its own, so that stopping this script stops it with all it started.
run() {
  local status=0
  set -m
  "$@" </dev/null &
  child=$!
  set +m
  wait "$child" || status=$?
  child=''
  return "$status"
}

step() {
  announce "$1"
  shift
  run "$@" || fail "failed: $*"
}

stop_everything() {
  local status=$?
  trap - EXIT INT TERM HUP
  [[ -z $child ]] || kill -TERM -- "-$child" 2>/dev/null || true
  [[ -z $server ]] || as_postgres "$server/pg_ctl" -D "$scratch/data" -m immediate stop >/dev/null 2>&1 || true
  [[ -z $scratch ]] || rm -rf "$scratch"
  exit "$status"
}
trap stop_everything EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# PostgreSQL refuses to run as root.
as_postgres() {
  if ((EUID != 0)); then
    (cd "$scratch" && "$@")
  elif command -v runuser >/dev/null; then
    (cd "$scratch" && runuser -u postgres -- "$@")
  else
    # shellcheck disable=SC2016 # meant for the inner shell
    (cd "$scratch" && su -s /bin/sh postgres -c 'exec "$0" "$@"' -- "$@")
  fi
}

# The folder of the newest installed server's programs, or nothing.
postgres_programs() {
  local newest
  newest=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
  if [[ -x $newest ]]; then
    dirname "$newest"
  elif command -v initdb >/dev/null; then
    dirname "$(readlink -f "$(command -v initdb)")"
  fi
}

install_packages() {
  local -a missing=() as_root=() settings=(DEBIAN_FRONTEND=noninteractive)
  local need name
  for need in cc:build-essential git:git ps:procps setsid:util-linux flock:util-linux chromium:chromium \
    chromedriver:chromium-driver dockerd:docker.io busybox:busybox-static bindfs:bindfs fusermount3:fuse3; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need#*:}")
  done
  [[ " ${missing[*]} " != *' build-essential '* ]] || missing+=(pkg-config)
  [[ -n $(postgres_programs) ]] || missing+=(postgresql)
  ((${#missing[@]})) || return 0

  announce "Installing ${missing[*]}"
  command -v apt-get >/dev/null || fail "this is no Debian; install what stands for: ${missing[*]}"
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [[ -z ${!name-} ]] || settings+=("$name=${!name}")
  done
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "no sudo here; run as root: apt-get install ${missing[*]}"
    as_root=(sudo -n)
  fi
  local -a apt=("${as_root[@]}" env "${settings[@]}" apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
  run "${apt[@]}" update || fail "apt-get update failed; is the package mirror reachable?"
  # Newer Debians have the client in a package of its own.
  if [[ " ${missing[*]} " == *' docker.io '* ]] && apt-cache show docker-cli >/dev/null 2>&1; then
    missing+=(docker-cli)
  fi
  run "${apt[@]}" install -y --no-install-recommends "${missing[@]}" ||
    fail "could not install ${missing[*]}; run as root: apt-get install ${missing[*]}"
  # Debian starts a server of its own with each of these packages; the tests use neither.
  if [[ " ${missing[*]} " == *' docker.io '* && -d /run/systemd/system ]]; then
    "${as_root[@]}" systemctl disable --now docker.service docker.socket containerd.service >/dev/null 2>&1 </dev/null || true
  fi
  if [[ " ${missing[*]} " == *' postgresql '* ]] && command -v pg_lsclusters >/dev/null; then
    local version cluster
    while read -r version cluster _; do
      "${as_root[@]}" pg_ctlcluster "$version" "$cluster" stop >/dev/null 2>&1 </dev/null || true
    done < <(pg_lsclusters -h)
  fi
}

check_toolchain() {
  command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs"
  local tool
  for tool in "$@"; do
    cargo "$tool" --version >/dev/null 2>&1 || fail "cargo $tool is missing; run: rustup component add rustfmt clippy"
  done
}

port_is_free() {
  ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

start_postgres() {
  announce 'Starting PostgreSQL'
  local programs password port try
  programs=$(postgres_programs)
  [[ -n $programs ]] || fail 'initdb was not found, although the package postgresql is installed'
  # /tmp and not $TMPDIR: the user postgres must get there.
  scratch=$(mktemp -d /tmp/opsgram-test.XXXXXX)
  chmod 711 "$scratch"
  mkdir "$scratch/data"
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s\n' "$password" >"$scratch/password"
  if ((EUID == 0)); then
    id postgres >/dev/null 2>&1 || fail 'there is no user postgres; install the Debian package postgresql'
    chown postgres "$scratch/data" "$scratch/password"
  fi
  chmod 600 "$scratch/password"
  as_postgres "$programs/initdb" -D "$scratch/data" -U postgres --auth=scram-sha-256 \
    --pwfile="$scratch/password" -E UTF8 --locale=C.UTF-8 --no-sync >"$scratch/initdb.log" 2>&1 ||
    fail "initdb failed: $(tail -n 3 "$scratch/initdb.log")"
  server=$programs
  for try in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 12000))
    port_is_free "$port" || continue
    # Nothing here outlives the run, so it need not reach the disk.
    if as_postgres "$programs/pg_ctl" -D "$scratch/data" -l "$scratch/data/server.log" -w -t 60 -o \
      "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300 \
       -c fsync=off -c synchronous_commit=off -c full_page_writes=off" start >/dev/null 2>&1; then
      export OPSGRAM_TEST_POSTGRES="postgres://postgres:$password@127.0.0.1:$port/postgres"
      return 0
    fi
  done
  fail "PostgreSQL does not start (tried $try times): $(tail -n 5 "$scratch/data/server.log" 2>/dev/null)"
}

# What somebody's own bot is set to must not reach the tests.
for name in "${!OPSGRAM_@}" TELEGRAM_TOKEN TELEGRAM_BOT_TOKEN CREDENTIALS_DIRECTORY; do
  unset "$name"
done
# Enough files for many bots and databases at once.
ulimit -Sn 8192 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"

# Most of a test is waiting (for a pause of the product, a process, a poll), a fifth is work: so more of them go at once than
# there are processors.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((3 * $(nproc)))}

install_packages
if (($#)); then
  check_toolchain
else
  check_toolchain fmt clippy
  step 'cargo fmt' cargo fmt --check
  step 'cargo clippy' cargo clippy --locked --all-targets -- -D warnings
  step 'cargo doc' env RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
fi
start_postgres
step "cargo test${*:+ $*}" cargo test --locked "$@"
announce 'All is well'
