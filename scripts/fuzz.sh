#!/usr/bin/env bash
# Fuzzes the parsers: every target of fuzz/, one after another, from its seeds.
#
#   scripts/fuzz.sh                       600 s each
#   scripts/fuzz.sh SECONDS [TARGET...]   as long, or only these
#   CORPUS=DIR scripts/fuzz.sh            where inputs and logs are kept (default: fuzz/corpus)
#   BUILT=DIR scripts/fuzz.sh             with the programs in DIR, which an earlier call built
#
# An input may take 10 s and 1 GiB. Prints a table for docs/reliability.md; exits 1 and names the input
# that crashed a parser, took longer or took more. To build, it needs cargo-fuzz (cargo install --locked
# cargo-fuzz) and a C++ compiler; the stable toolchain will do, without sanitizers.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

limit_mib=1024
seconds=${1:-600}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "$seconds is no number of seconds" "scripts/fuzz.sh 600 json" 2
shift $(($# > 0))
known=$(cd fuzz/targets && printf '%s\n' *.rs | sed 's/\.rs$//')
targets=("$@")
if [ $# = 0 ]; then IFS=$'\n' read -r -d '' -a targets <<<"$known" || true; fi
for target in "${targets[@]}"; do
    grep -qxF -- "$target" <<<"$known" || die "no target is called $target" "targets: ${known//$'\n'/, }" 2
done
# Some parsers read a file, not bytes: a file in memory costs little time.
if [ -d /dev/shm ]; then export TMPDIR=/dev/shm; fi
corpus=${CORPUS:-fuzz/corpus}
mkdir -p "$corpus"
corpus=$(cd "$corpus" && pwd)

# The fuzzer runs copies of the programs, which a later build does not change.
programs=${BUILT:-$corpus/programs}
if [ -z "${BUILT:-}" ]; then
    need_cargo
    command -v cargo-fuzz >/dev/null ||
        die "cargo-fuzz is not installed" "cargo install --locked cargo-fuzz"
    say "=== build"
    # Coverage of the code needs flags that only nightly compilers take without this.
    RUSTC_BOOTSTRAP=1 nice cargo fuzz build --fuzz-dir fuzz --sanitizer none
    host=$(rustc -vV | sed -n 's/^host: //p')
    mkdir -p "$programs"
    for target in $known; do
        cp -f "${CARGO_TARGET_DIR:-fuzz/target}/$host/release/$target" "$programs/"
    done
fi

# of LOG NAME: a number that libFuzzer prints at its end.
of() { sed -n "s/^stat::$2: *//p" "$1"; }

rows=''
for target in "${targets[@]}"; do
    log=$corpus/$target.log
    mkdir -p "$corpus/$target"
    say "=== $target, $seconds s"
    status=0
    nice "$programs/$target" "$corpus/$target" "fuzz/seeds/$target" -artifact_prefix="$corpus/$target-" \
        -max_total_time="$seconds" -rss_limit_mb="$limit_mib" -timeout=10 -print_final_stats=1 \
        >"$log" 2>&1 || status=$?
    if [ "$status" != 0 ]; then
        found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        tail -n 20 "$log" >&2
        die "$target stopped at ${found:-no input}" \
            "$programs/$target FILE reads it again (cargo fuzz tmin makes it smaller); the log is $log"
    fi
    peak=$(of "$log" peak_rss_mb)
    # libFuzzer itself checks the memory only once a second; the peak is that of the whole run.
    [ "${peak:-$limit_mib}" -lt "$limit_mib" ] ||
        die "$target took $peak MiB" "the limit is $limit_mib; an input in $corpus/$target did it"
    last=$(grep -E 'cov: [0-9]+' "$log" | tail -n 1)
    edges=$(sed -E 's/.*cov: ([0-9]+).*/\1/' <<<"$last")
    kept=$(sed -E 's/.*corp: ([0-9]+).*/\1/' <<<"$last")
    inputs=$(of "$log" number_of_executed_units | sed -E ':a; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; ta')
    rows+="| \`$target\` | $inputs | $edges | $kept | $peak |"$'\n'
done
printf '| target | inputs | edges covered | corpus | peak memory, MiB |\n|---|---|---|---|---|\n%s' "$rows"
