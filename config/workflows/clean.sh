#!/usr/bin/env bash
# Takes back what the repository in this folder installed, if it says how by an uninstall.sh. The folder itself goes with
# the run.
set -euo pipefail

folder=${1:?the folder of the repository}
if [ -f "$folder/uninstall.sh" ]; then
  cd -- "$folder"
  exec bash uninstall.sh
fi
echo "Nothing to take back."
