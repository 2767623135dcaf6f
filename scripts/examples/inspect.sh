#!/usr/bin/env bash
# Takes a file from the chat: send it with "/run inspect" as its caption, or answer it with that.
set -euo pipefail

file=$1
echo "${file##*/}: $(wc --bytes < "$file") bytes, $(wc --lines < "$file") lines"
sha256sum < "$file" | cut --delimiter=' ' --fields=1
head --lines=5 -- "$file"
