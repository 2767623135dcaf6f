#!/usr/bin/env bash
# Installs Opsgram as a service of this machine, or takes it away again. It asks nothing but before --purge, may be run
# any number of times, and upgrades what is there. Configuration, token and data that exist are kept.
#
#   sudo scripts/install.sh                  builds the program if there is no newer one, and installs it
#   sudo scripts/install.sh --binary FILE    installs this program
#   sudo scripts/install.sh --strict         also locks the service further; then no script can use sudo
#   sudo scripts/install.sh --uninstall      removes what was installed; keeps /etc/opsgram and /var/lib/opsgram
#   sudo scripts/install.sh --purge          removes those and the user, too; asks first, unless --yes is given
#   scripts/install.sh --root DIR            only puts the files under DIR, as packagers do; needs no root
#   scripts/install.sh --help                this text
#
# What it makes is listed in /usr/local/share/opsgram/installed. Nothing else is ever removed.
set -euo pipefail

prefix=/usr/local
etc=/etc/opsgram
state=/var/lib/opsgram
unit=/etc/systemd/system/opsgram.service
strict=/etc/systemd/system/opsgram.service.d/strict.conf
manifest=$prefix/share/opsgram/installed

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root='' binary='' action=install with_strict='' sure=''

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

say() { printf '%s\n' "$1"; }

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

while (($#)); do
  case $1 in
    --binary) binary=${2:?--binary needs a file} && shift ;;
    --root) root=$(realpath -m "${2:?--root needs a folder}") && shift ;;
    --strict) with_strict=yes ;;
    --uninstall) [[ $action == purge ]] || action=uninstall ;;
    --purge) action=purge ;;
    --yes) sure=yes ;;
    --help | -h) usage && exit 0 ;;
    *) fail "there is no option $1; --help lists them" ;;
  esac
  shift
done
[[ $root != / ]] || root=''

# Whether systemd runs this machine, and the files are meant for it.
has_systemd() { [[ -z $root && -d /run/systemd/system ]]; }

is_ours() { [[ -f $root$manifest ]] && grep -qxF "$1" "$root$manifest"; }

# Notes a path as ours before it is made, so that a run that was cut off can be gone on with.
claim() {
  local path=$1
  is_ours "$path" && return
  [[ ! -e $root$path && ! -L $root$path ]] ||
    fail "$root$path is there, and this script did not make it. Move it away, then run this again"
  claim_thing "$path"
}

# Puts a file that belongs to the program: replaced by each run, removed by --uninstall.
put() {
  local from=$1 path=$2 mode=$3
  claim "$path"
  install -d -m 755 "$root$(dirname "$path")"
  # By a new file and a rename, so that a running program is not written over.
  install -m "$mode" "$from" "$root$path.new"
  mv -f "$root$path.new" "$root$path"
}

# Puts a file that belongs to the owner of the machine, unless there is one.
keep() {
  local from=$1 path=$2 mode=$3
  [[ ! -e $root$path ]] || return 0
  install -m "$mode" "$from" "$root$path"
}

as_owner_of_source() {
  local owner
  owner=$(stat -c %U "$source")
  if ((EUID == 0)) && [[ $owner != root && $owner != UNKNOWN ]]; then
    runuser -u "$owner" -- "$@"
  else
    "$@"
  fi
}

find_binary() {
  if [[ -n $binary ]]; then
    [[ -x $binary && -f $binary ]] || fail "$binary is not a program"
    return
  fi
  binary=${CARGO_TARGET_DIR:-$source/target}/release/opsgram
  local home cargo=''
  home=$(getent passwd "$(stat -c %U "$source")" | cut -d: -f6)
  for cargo in "$(command -v cargo || true)" "$home/.cargo/bin/cargo"; do
    [[ ! -x $cargo ]] || break
  done
  if [[ -x $cargo ]]; then
    say 'Building opsgram; the first time takes some minutes.'
    as_owner_of_source "$cargo" build --manifest-path "$source/Cargo.toml" --release --locked --bin opsgram
  elif [[ -x $binary ]]; then
    say "There is no cargo; taking $binary as it is."
  else
    fail 'there is no cargo to build with; install Rust from https://rustup.rs, or name a program with --binary'
  fi
}

# Notes something else than a file as ours, before it is made.
claim_thing() {
  install -d -m 755 "$root$(dirname "$manifest")"
  is_ours "$1" || printf '%s\n' "$1" >>"$root$manifest"
}

make_user() {
  getent group opsgram >/dev/null || { claim_thing 'group opsgram' && groupadd --system opsgram; }
  getent passwd opsgram >/dev/null || {
    claim_thing 'user opsgram'
    useradd --system --gid opsgram --home-dir "$state" --no-create-home --shell /usr/sbin/nologin \
      --comment 'Opsgram' opsgram
  }
}

install_all() {
  if [[ -z $root ]]; then
    ((EUID == 0)) || fail 'this needs root: sudo scripts/install.sh'
    [[ $(dpkg-query -W -f '${Status}' opsgram 2>/dev/null || true) != 'install ok installed' ]] ||
      fail 'the package opsgram is installed; upgrade that, or remove it first: apt-get remove opsgram'
  fi
  find_binary
  local scratch ran=''
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064 # its value of now
  trap "rm -rf '$scratch'" EXIT
  "$binary" man "$scratch/man" || fail "$binary does not run on this machine"
  "$binary" completions bash >"$scratch/bash"
  "$binary" completions zsh >"$scratch/zsh"
  "$binary" completions fish >"$scratch/fish"
  sed -e "s|^data_dir: .*|data_dir: $state|" -e "s|^database: .*|database: sqlite://$state/opsgram.db|" \
    -e "s|^  token_file: .*|  token_file: $etc/telegram-token|" "$source/config/opsgram.yaml" >"$scratch/opsgram.yaml"
  printf '%s\n' '# Variables for the service and the scripts that name them under env_pass or secrets: NAME=value' \
    >"$scratch/environment"
  ! has_systemd || ! systemctl --quiet is-active opsgram || ran=yes

  [[ -n $root ]] || make_user
  put "$binary" $prefix/bin/opsgram 755
  local page
  for page in "$scratch"/man/*.1; do
    put "$page" "$prefix/share/man/man1/$(basename "$page")" 644
  done
  put "$scratch/bash" $prefix/share/bash-completion/completions/opsgram 644
  put "$scratch/zsh" $prefix/share/zsh/site-functions/_opsgram 644
  put "$scratch/fish" $prefix/share/fish/vendor_completions.d/opsgram.fish 644
  put "$source/config/opsgram.service" $unit 644
  [[ -z $with_strict ]] || put "$source/config/opsgram-strict.conf" $strict 644

  [[ -e $root$etc ]] || claim_thing "folder $etc"
  [[ -e $root$state ]] || claim_thing "folder $state"
  install -d -m 750 "$root$etc"
  install -d -m 755 "$root$etc/scripts" "$root$etc/scripts/examples"
  install -d -m 700 "$root$state"
  local example
  for example in "$source"/scripts/examples/*.sh; do
    keep "$example" "$etc/scripts/examples/$(basename "$example")" 755
  done
  keep "$scratch/opsgram.yaml" $etc/opsgram.yaml 640
  keep /dev/null $etc/telegram-token 600
  keep "$scratch/environment" $etc/environment 600
  if [[ -z $root ]]; then
    # The service reads its configuration and cannot change it.
    chown root:opsgram $etc $etc/opsgram.yaml
    chown opsgram:opsgram $state
  fi

  if has_systemd; then
    systemctl daemon-reload
    if [[ -n $ran ]]; then
      systemctl restart opsgram
      say 'Upgraded; the service was started again.'
      return
    fi
  fi
  say "Opsgram is installed. Next:"
  say '  sudo opsgram init                     asks for the token and learns who you are'
  say '  sudo opsgram check                    tells whether everything works'
  say '  sudo systemctl enable --now opsgram   starts it, now and after each boot'
}

uninstall() {
  [[ -n $root ]] || ((EUID == 0)) || fail 'this needs root: sudo scripts/install.sh --uninstall'
  if [[ $action == purge && -z $sure ]]; then
    [[ -t 0 ]] || fail '--purge removes configuration, token and data for good; without a terminal, add --yes'
    local answer
    read -rp "Remove $root$etc and $root$state with all jobs and logs for good? [y/N] " answer
    [[ $answer == [yY]* ]] || fail 'nothing was removed'
  fi
  if [[ -f $root$manifest ]]; then
    if has_systemd && is_ours $unit; then
      systemctl --quiet disable --now opsgram 2>/dev/null || true
    fi
    local path
    while IFS= read -r path; do
      [[ $path != /* ]] || rm -f "$root$path"
    done <"$root$manifest"
    rmdir "$root$(dirname $strict)" 2>/dev/null || true
    ! has_systemd || systemctl daemon-reload
  else
    say 'Nothing of this script is installed here.'
  fi
  if [[ $action == purge ]]; then
    local folder
    for folder in $etc $state; do
      if is_ours "folder $folder"; then
        rm -rf "$root$folder"
      elif [[ -e $root$folder ]]; then
        say "$root$folder was there before the installation, so it is kept."
      fi
    done
    if [[ -z $root ]]; then
      ! is_ours 'user opsgram' || userdel opsgram >/dev/null 2>/dev/null || true
      ! is_ours 'group opsgram' || groupdel opsgram 2>/dev/null || true
    fi
    rm -rf "$root$(dirname "$manifest")"
    say 'Opsgram is removed, and with it the configuration and data that it was installed with.'
  else
    # The user still owns the data; a purge later on has to know whose making it is.
    if [[ -f $root$manifest ]]; then
      sed -i '\|^/|d' "$root$manifest"
      [[ -s $root$manifest ]] || rm -r "$root$(dirname "$manifest")"
    fi
    say "Opsgram is removed. Kept are $etc and $state; --purge removes them."
  fi
}

# From the first line to the last the whole script is read before anything is done.
case $action in
  install) install_all ;;
  uninstall | purge) uninstall ;;
esac
exit 0
