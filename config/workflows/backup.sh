#!/usr/bin/env bash
# The parts of the workflow `backup`:
#   backup.sh pack FOLDER TO RUN     packs the folder, and says `archive PATH`
#   backup.sh verify ARCHIVE FOLDER  reads the archive again, and compares it with the folder; a bad one gets the name
#                                    ARCHIVE.bad, so that it is never kept in the place of a good one
#   backup.sh prune TO KEEP          removes all but the newest good archives, and the bad ones
#   backup.sh remove ARCHIVE         removes one
#   backup.sh clean TO RUN           removes what a run left unfinished
set -euo pipefail

part=${1:?pack, verify, prune, remove or clean}
shift
case $part in
  pack)
    folder=$1 to=$2 run=$3
    mkdir -p -m 0700 -- "$to"
    archive=$to/backup-$(date -u +%Y%m%d-%H%M%S)-$run.tar.gz
    tar -czf "$to/.$run.part" -C "$folder" .
    mv -- "$to/.$run.part" "$archive"
    (cd -- "$to" && sha256sum -- "${archive##*/}" >"$archive.sha256")
    du -h -- "$archive"
    echo "archive $archive"
    ;;
  verify)
    archive=$1 folder=$2
    trap '[ $? = 0 ] || mv -f -- "$archive" "$archive.bad"' EXIT
    (cd -- "${archive%/*}" && sha256sum --check --quiet -- "${archive##*/}.sha256")
    entries=$(tar -tzf "$archive" | wc -l)
    [ "$entries" -gt 0 ] || {
      echo "The archive is empty." >&2
      exit 1
    }
    # What changed since it was packed is told; what cannot be read is a failure.
    if ! told=$(tar -dzf "$archive" -C "$folder" 2>&1); then
      echo "$told"
      if grep -vqE ': (Mod time|Size|Contents|Mode|Uid|Gid) differs?$|No such file or directory' <<<"$told"; then
        exit 1
      fi
    fi
    echo "$entries entries, read again"
    ;;
  prune)
    to=$1 keep=$2
    find "$to" -maxdepth 1 -name 'backup-*.tar.gz' -printf '%f\n' | sort -r | tail -n "+$((keep + 1))" |
      while read -r old; do
        rm -f -- "$to/$old" "$to/$old.sha256"
        echo "removed $old"
      done
    find "$to" -maxdepth 1 -name 'backup-*.tar.gz.bad' -printf '%f\n' |
      while read -r bad; do
        rm -f -- "$to/$bad" "$to/${bad%.bad}.sha256"
        echo "removed $bad"
      done
    ;;
  remove)
    rm -f -- "$1" "$1.bad" "$1.sha256"
    ;;
  clean)
    rm -f -- "$1/.$2.part"
    ;;
  *)
    echo "“$part” is no part of a backup; write pack, verify, prune, remove or clean." >&2
    exit 2
    ;;
esac
