#!/usr/bin/env bash
# Measures what each test costs when it runs alone: seconds of processor and of the clock, the slowest
# test last, and their sums. The seconds of processor are comparable even if the machine is busy.
#
#   scripts/test-times.sh [WORD...]         tests of ./test.sh whose names hold one of these words, or all
#   scripts/test-times.sh --all [WORD...]   those of ./test.sh --all
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

need_cargo
driver=() ignored=()
if [ "${1-}" = --all ]; then
    shift
    export NF_GPU_ALL=1
    driver=(--all) ignored=(--include-ignored)
fi
settings=$(scripts/driver.sh ${driver[@]+"${driver[@]}"})
eval "$settings"
export NF_GPU_NO_TUNE=1
words=$(IFS='|' && echo "$*")
# Tests run in the folder of the package, as under cargo.
binaries=$(cargo test --release --no-run 2>&1 | sed -n 's/^ *Executable .*(\(.*\))$/\1/p')
[ -n "$binaries" ] || die "the tests do not build" "cargo test --release --no-run"

TIMEFORMAT='%U %S %R'
while IFS= read -r binary; do
    left_out=$("$binary" --list --ignored --format terse)
    "$binary" --list --format terse | sed -n 's/: test$//p' | { grep -E "$words" || true; } |
        while IFS= read -r name; do
            if [ "${#ignored[@]}" = 0 ] && grep -qFx "$name: test" <<<"$left_out"; then continue; fi
            verdict=''
            times=$({ time "$binary" --exact "$name" ${ignored[@]+"${ignored[@]}"} >/dev/null 2>&1; } 2>&1) ||
                verdict=FAILED
            awk -v name="$name" -v verdict="$verdict" \
                '{ printf "%8.1f %8.1f  %s %s\n", $1 + $2, $3, name, verdict }' <<<"$times"
        done
done <<<"$binaries" | sort -n |
    awk '{ print; used += $1; took += $2 } END { printf "%8.1f %8.1f  in all\n", used, took }'
