#!/usr/bin/env bash
# Tries the installation in a clean Debian: twice in place, as an upgrade, uninstalled, purged, and what must be refused.
#
#   scripts/test-install.sh                  with the program of the dev profile, built first
#   scripts/test-install.sh --binary FILE    with this program
#   scripts/test-install.sh --deb FILE       also installs, upgrades and purges this package
#   scripts/test-install.sh --help           this text
#
# Needs root and debootstrap. The clean Debian is kept under /var/cache/opsgram-test for the next time; the first
# one takes a minute. Nothing outside a temporary folder is changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ ! -d ${HOME-}/.cargo/bin ]] || PATH=$HOME/.cargo/bin:$PATH
PATH=$PATH:/usr/sbin:/sbin

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

step() { printf '==> [%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$1"; }

binary='' package=''
while (($#)); do
  case $1 in
    --binary) binary=${2:?--binary needs a file} && shift ;;
    --deb) package=${2:?--deb needs a file} && shift ;;
    --help | -h) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" && exit 0 ;;
    *) fail "there is no option $1; --help lists them" ;;
  esac
  shift
done

((EUID == 0)) || fail 'this needs root: sudo scripts/test-install.sh'
command -v debootstrap >/dev/null || fail 'debootstrap is missing; run: apt-get install debootstrap'
# With mounts of its own, so that none is left behind, however this ends.
if [[ -z ${OPSGRAM_TEST_UNSHARED-} ]]; then
  [[ -n $binary ]] || { cargo build --locked --bin opsgram && binary=${CARGO_TARGET_DIR:-target}/debug/opsgram; }
  export OPSGRAM_TEST_UNSHARED=1
  exec unshare --mount -- "$0" --binary "$binary" ${package:+--deb "$package"}
fi

cache=/var/cache/opsgram-test/bookworm.tar
scratch=$(mktemp -d /tmp/opsgram-install.XXXXXX)
root=$scratch/root
trap 'umount -l "$root/proc" "$root/dev/null" 2>/dev/null || true; rm -rf "$scratch"' EXIT
mkdir "$root"

if [[ ! -f $cache ]]; then
  step 'Making a clean Debian'
  debootstrap --variant=minbase --include=adduser,systemd bookworm "$root" http://deb.debian.org/debian \
    >"$scratch/debootstrap.log" 2>&1 || fail "debootstrap failed: $(tail -n 3 "$scratch/debootstrap.log")"
  rm -rf "$root"/var/cache/apt/archives/*.deb
  mkdir -p "$(dirname "$cache")"
  tar -C "$root" -cf "$cache.new" . && mv "$cache.new" "$cache"
else
  tar -C "$root" -xf "$cache"
fi
mkdir "$root/src"
cp -r config scripts "$root/src/"
install -m 755 "$binary" "$root/src/opsgram"
mount -t proc proc "$root/proc"
# A device of its own works only where the file system allows it.
touch "$root/dev/null" 2>/dev/null || true
[[ -c $root/dev/null ]] || mount --bind /dev/null "$root/dev/null"

inside() {
  chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@" </dev/null
}
setup() { inside /src/scripts/install.sh --binary /src/opsgram "$@"; }

# Every file with its kind, rights and content, but for what belongs to no installation.
picture() {
  (cd "$root" && find . -xdev \( -path ./src -o -path ./proc -o -path ./dev -o -path ./tmp -o -path ./var/log \
    -o -path ./var/cache -o -path './etc/*-' -o -path ./etc/.pwd.lock -o -path './var/lib/dpkg' \) -prune -o \
    \( -type f -printf '%p %M %U:%G ' -exec sha256sum {} \; -o -printf '%p %M %U:%G %l\n' \)) | sed 's|  \..*||' | sort
}

expect() {
  local what=$1
  shift
  "$@" || fail "$what"
}

mode_is() {
  local found
  found=$(chroot "$root" stat -c '%a %U:%G' "$1")
  [[ $found == "$2" ]] || fail "$1 is $found, not $2"
}

step 'Installing'
picture >"$scratch/before"
setup >"$scratch/out" || fail "it failed: $(cat "$scratch/out")"
expect 'it says what comes next' grep -q 'opsgram init' "$scratch/out"
mode_is /usr/local/bin/opsgram '755 root:root'
mode_is /etc/opsgram '750 root:opsgram'
mode_is /etc/opsgram/opsgram.yaml '640 root:opsgram'
mode_is /etc/opsgram/telegram-token '600 root:root'
mode_is /etc/opsgram/environment '600 root:root'
mode_is /var/lib/opsgram '700 opsgram:opsgram'
for file in etc/systemd/system/opsgram.service usr/local/share/man/man1/opsgram.1 \
  usr/local/share/man/man1/opsgram-init.1 usr/local/share/bash-completion/completions/opsgram; do
  [[ -s $root/$file ]] || fail "/$file is missing"
done
inside systemd-analyze verify /etc/systemd/system/opsgram.service 2>"$scratch/verify" ||
  fail "the unit is wrong: $(cat "$scratch/verify")"
[[ ! -s $scratch/verify ]] || fail "the unit has faults: $(cat "$scratch/verify")"
inside opsgram check --offline >"$scratch/out" 2>&1 || fail "the configuration is wrong: $(cat "$scratch/out")"
expect 'the installed configuration is found' grep -q /etc/opsgram/opsgram.yaml "$scratch/out"
# The service's own user can read it, and cannot change it.
inside setpriv --reuid opsgram --regid opsgram --clear-groups opsgram check --offline >/dev/null
! inside setpriv --reuid opsgram --regid opsgram --clear-groups test -w /etc/opsgram/opsgram.yaml ||
  fail 'the service can change its configuration'
inside setpriv --reuid opsgram --regid opsgram --clear-groups opsgram sandbox --say '/run hello' >"$scratch/out" 2>&1 ||
  fail "the program does not run: $(cat "$scratch/out")"
expect 'the program runs a script' grep -q 'exit 0' "$scratch/out"
inside opsgram user add 111 --role owner --name ann >"$scratch/out"
mode_is /var/lib/opsgram/opsgram.db '600 opsgram:opsgram'

step 'Installing again, and upgrading'
picture >"$scratch/first"
setup >/dev/null
picture >"$scratch/second"
diff "$scratch/first" "$scratch/second" || fail 'a second run changed something'
printf '123456:%s\n' secretsecretsecretsecretsecret >"$root/etc/opsgram/telegram-token"
echo '# mine' >>"$root/etc/opsgram/opsgram.yaml"
setup --strict >"$scratch/out" 2>&1
expect 'what is mine is kept' grep -q '# mine' "$root/etc/opsgram/opsgram.yaml"
expect 'the token is kept' grep -q secretsecret "$root/etc/opsgram/telegram-token"
! grep -q secretsecret "$scratch/out" || fail 'the token was printed'
[[ -s $root/etc/systemd/system/opsgram.service.d/strict.conf ]] || fail 'the strict drop-in is missing'
inside systemd-analyze verify /etc/systemd/system/opsgram.service 2>"$scratch/verify"
[[ ! -s $scratch/verify ]] || fail "the strict unit has faults: $(cat "$scratch/verify")"

step 'Uninstalling, and purging'
inside /src/scripts/install.sh --uninstall >/dev/null
for file in usr/local/bin/opsgram etc/systemd/system/opsgram.service usr/local/share/man/man1/opsgram.1 \
  etc/systemd/system/opsgram.service.d; do
  [[ ! -e $root/$file ]] || fail "/$file was left over"
done
expect 'the configuration is kept' grep -q '# mine' "$root/etc/opsgram/opsgram.yaml"
[[ -s $root/var/lib/opsgram/opsgram.db ]] || fail 'the data is gone'
inside /src/scripts/install.sh --uninstall >/dev/null || fail 'a second uninstallation failed'
setup >/dev/null
expect 'the configuration is taken up again' grep -q '# mine' "$root/etc/opsgram/opsgram.yaml"
! inside /src/scripts/install.sh --purge >/dev/null 2>&1 || fail 'it purged without being sure'
[[ -s $root/var/lib/opsgram/opsgram.db ]] || fail 'the data is gone'
inside /src/scripts/install.sh --purge --yes >/dev/null
picture >"$scratch/after"
diff "$scratch/before" "$scratch/after" | grep -v 'share\(/man\|/zsh\|/fish\|/bash-completion\)\?[ /].*d' >"$scratch/left" || true
! grep -E 'opsgram' "$scratch/left" || fail 'something of it was left over'

step 'What was there before is kept'
mkdir -p "$root/etc/opsgram"
echo mine >"$root/etc/opsgram/notes"
echo mine >"$root/usr/local/bin/opsgram"
! setup >"$scratch/out" 2>&1 || fail 'it wrote over a file that it did not make'
expect 'it says so' grep -q 'did not make it' "$scratch/out"
inside /src/scripts/install.sh --purge --yes >/dev/null
[[ $(cat "$root/usr/local/bin/opsgram" "$root/etc/opsgram/notes") == $'mine\nmine' ]] || fail 'it removed what it did not make'
rm -r "$root/usr/local/bin/opsgram" "$root/etc/opsgram"
! inside setpriv --reuid nobody --regid nogroup --clear-groups /src/scripts/install.sh --binary /src/opsgram \
  >"$scratch/out" 2>&1 || fail 'it went on without root'
expect 'it says that it needs root' grep -q 'needs root' "$scratch/out"
inside setpriv --reuid nobody --regid nogroup --clear-groups env TMPDIR=/tmp \
  /src/scripts/install.sh --binary /src/opsgram --root /tmp/stage >/dev/null
[[ -s $root/tmp/stage/etc/opsgram/opsgram.yaml && -x $root/tmp/stage/usr/local/bin/opsgram ]] ||
  fail 'staging left something out'

if [[ -n $package ]]; then
  step 'The package'
  cp "$package" "$root/src/opsgram.deb"
  picture >"$scratch/before"
  inside env DEBIAN_FRONTEND=noninteractive dpkg -i /src/opsgram.deb >"$scratch/out" 2>&1 ||
    fail "dpkg failed: $(cat "$scratch/out")"
  mode_is /etc/opsgram '750 root:opsgram'
  mode_is /etc/opsgram/opsgram.yaml '640 root:opsgram'
  mode_is /etc/opsgram/telegram-token '600 root:root'
  mode_is /var/lib/opsgram '700 opsgram:opsgram'
  inside opsgram check --offline >/dev/null
  unit=$(find "$root"/lib/systemd/system "$root"/usr/lib/systemd/system -name opsgram.service 2>/dev/null | head -n 1)
  [[ -n $unit ]] || fail 'the package has no unit'
  inside systemd-analyze verify "${unit#"$root"}" 2>"$scratch/verify"
  [[ ! -s $scratch/verify ]] || fail "the unit has faults: $(cat "$scratch/verify")"
  echo '# mine' >>"$root/etc/opsgram/opsgram.yaml"
  inside env DEBIAN_FRONTEND=noninteractive dpkg -i /src/opsgram.deb >/dev/null 2>&1
  expect 'an upgrade keeps the configuration' grep -q '# mine' "$root/etc/opsgram/opsgram.yaml"
  ! setup >"$scratch/out" 2>&1 || fail 'the script installed beside the package'
  expect 'it says so' grep -q 'package opsgram is installed' "$scratch/out"
  inside dpkg --remove opsgram >/dev/null 2>&1
  expect 'removing keeps the configuration' grep -q '# mine' "$root/etc/opsgram/opsgram.yaml"
  inside dpkg --purge opsgram >/dev/null 2>&1
  [[ ! -e $root/etc/opsgram && ! -e $root/var/lib/opsgram ]] || fail 'a purge left something over'
fi
step 'All is well'
