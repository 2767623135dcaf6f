#!/usr/bin/env bash
# Draws a progress bar over itself for about six seconds.
set -euo pipefail

width=30
for ((percent = 0; percent <= 100; percent += 2)); do
  filled=$((percent * width / 100))
  printf -v bar '%*s' "$filled" ''
  printf -v rest '%*s' $((width - filled)) ''
  printf '\r[%s%s] %3d %%' "${bar// /#}" "${rest// /.}" "$percent"
  sleep 0.12
done
printf '\nDone.\n'
