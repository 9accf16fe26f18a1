#!/usr/bin/env bash
# Every shader through Tint, the WGSL compiler of Chromium, by the npm package `webgpu` (Dawn, MIT,
# 130 MB). Needs Node.js 18 and npm; no GPU and no driver.
#
#   scripts/tint.sh             fetches the package unless it is there, and runs the test
#   scripts/tint.sh --install   fetches it, and prints the folder for NF_TINT: tests then use it
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

need_cargo
for program in node npm; do
    command -v "$program" >/dev/null ||
        die "no $program to run Tint with" "Debian/Ubuntu: apt-get install nodejs npm"
done
folder=${CARGO_TARGET_DIR:-$PWD/target}/tint
mkdir -p "$folder"
# A copy of the lock file marks that everything it names has been installed.
if ! cmp -s scripts/tint/package-lock.json "$folder/installed.json"; then
    cp scripts/tint/package.json scripts/tint/package-lock.json "$folder/"
    (cd "$folder" && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error) >&2 ||
        die "the npm package webgpu could not be installed" "look at npm's message above"
    cp scripts/tint/package-lock.json "$folder/installed.json"
fi
if [ "${1-}" = --install ]; then
    printf '%s\n' "$folder"
    exit
fi
NF_TINT=$folder exec ./test.sh --all --test kernels tint "$@" -- --nocapture
