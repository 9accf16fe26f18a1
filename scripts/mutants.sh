#!/usr/bin/env bash
# Breaks the code in every way that scripts/mutants.tsv lists, one at a time, in a copy of the tree,
# and requires that a named test fails. A test that passes with broken code proves nothing.
#
#   scripts/mutants.sh              all
#   scripts/mutants.sh NAME...      those whose names hold one of these words
#   MUTANTS=FILE scripts/mutants.sh another list
#   scripts/mutants.sh --check      builds nothing: does every row still apply to its file?
#
# Prints `caught N of M` and exits 1 unless N = M. Each mutant is built alone, so what fails is its
# doing: only this package is rebuilt, unoptimised and incrementally. The dependencies are those of
# the release build, whose folder is copied once; the real build never sees a mutant.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

list=${MUTANTS:-scripts/mutants.tsv}
tab=$'\t'
rows=$(grep -vE '^(#|$)' "$list")
names=$(cut -f 1 <<<"$rows" | awk '!seen[$0]++')
chosen() { awk -F "$tab" -v name="$1" '$1 == name' <<<"$rows"; }

# copy [FILE...]: copies the working tree as it is, or these files of it, into the copy.
copy() {
    if [ $# -gt 0 ]; then
        rm -f "${@/#/$tree/}"
        tar -cf - -- "$@" | tar -xmf - -C "$tree"
        return
    fi
    find "$tree" -mindepth 1 -delete
    git ls-files -co --exclude-standard | while IFS= read -r file; do
        if [ -e "$file" ]; then printf '%s\n' "$file"; fi
    done | tar -cf - -T - | tar -xmf - -C "$tree"
    # (-m: all files get the present time and count as changed, since cargo goes by times.)
    # Tests on material beside the repository find it beside the copy.
    if [ -d ../shared ]; then ln -sfn "$PWD/../shared" "$scratch/shared"; fi
}

# replace FILE OLD NEW: one literal replacement; fails unless OLD is there exactly once.
replace() {
    OLD=$2 NEW=$3 awk '
        function lines(text) { gsub(/\\n/, "\n", text); return text == "-" ? "" : text }
        { text = text $0 "\n" }
        END {
            old = lines(ENVIRON["OLD"]); new = lines(ENVIRON["NEW"])
            at = index(text, old)
            rest = substr(text, at + length(old))
            if (!at || index(rest, old)) exit 1
            printf "%s%s%s", substr(text, 1, at - 1), new, rest
        }' "$1" >"$scratch/new" && cat "$scratch/new" >"$1"
}

# apply NAME: breaks the copy as the rows of this mutant say; prints the files to which a row does not
# apply.
apply() {
    local file old new
    while IFS=$tab read -r _ _ file old new; do
        if [ -z "$new" ] || [ "$old" = "$new" ] || { [ "$old" = - ] && [ -e "$file" ]; }; then
            echo "$file"
        elif [ "$old" != - ]; then
            replace "$tree/$file" "$old" "$new" 2>/dev/null || echo "$file"
        else
            mkdir -p "$(dirname "$tree/$file")"
            printf '%b' "$new" >"$tree/$file"
        fi
    done <<<"$(chosen "$1")"
}

# restore NAME: copies the mutant's files again, as they are in the working tree.
restore() {
    local file
    chosen "$1" | cut -f 3 | while IFS= read -r file; do
        if [ -e "$file" ]; then copy "$file"; else rm -f "${tree:?}/$file"; fi
    done
}

if [ "${1-}" = --check ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    tree=$scratch/tree
    mkdir "$tree"
    stale=0
    for name in $names; do
        restore "$name"
        missed=$(apply "$name")
        if [ -n "$missed" ]; then say "$list: $name does not apply exactly once to $missed" && stale=1; fi
    done
    exit "$stale"
fi

if [ $# -gt 0 ]; then
    names=$(grep -E "$(IFS='|' && echo "$*")" <<<"$names") || die "no mutant is named so" "see $list"
fi

need_cargo
settings=$(scripts/driver.sh)
eval "$settings"

target=$(cd "${CARGO_TARGET_DIR:-target}" 2>/dev/null && pwd) ||
    die "nothing is built yet" "cargo test --release --no-run"
scratch=$target/mutants
tree=$scratch/tree
log=$scratch/log
mkdir -p "$tree"
[ -e "$scratch/release" ] || cp -a "$target/release" "$scratch/release"

export CARGO_TARGET_DIR=$scratch
export CARGO_PROFILE_RELEASE_OPT_LEVEL=0 # of this package: its dependencies have their own level
export CARGO_PROFILE_RELEASE_INCREMENTAL=true
export CARGO_TERM_COLOR=never
export NF_GPU_ALL=1 # every test counts, at its full size
# Conformance on one adapter is enough to see a mutant, and three times as fast as on all.
export NF_ADAPTER="${NF_ADAPTER-0}"

# A mutant may loop for ever.
limit=()
if command -v timeout >/dev/null; then limit=(timeout 600); fi

# run TEST: the test's verdict on the copy: passed, failed, or why it has none.
run() {
    local -a arguments=() words
    local -a settings=(env)
    read -r -a words <<<"$1"
    for word in "${words[@]}"; do
        case $word in
            [A-Z]*=*) settings+=("$word") ;;
            *) arguments+=("$word") ;;
        esac
    done
    if ! (cd "$tree" && cargo test --release "${arguments[@]}" --no-run) >"$log" 2>&1; then
        echo "does not build"
    elif (cd "$tree" && "${settings[@]}" ${limit[@]+"${limit[@]}"} \
        cargo test --release "${arguments[@]}" -- --include-ignored) >"$log" 2>&1; then
        if grep -qE '^test result: ok\. [1-9]' "$log"; then echo passed; else echo "ran no test"; fi
    elif grep -qE '^test result: FAILED' "$log"; then
        echo failed
    else
        echo "crashed" # or hung; both count as failed
    fi
}

copy
say "=== the tests as they are"
baseline=$(for name in $names; do chosen "$name" | cut -f 2; done | sort -u)
while IFS= read -r test; do
    verdict=$(run "$test")
    if [ "$verdict" != passed ]; then
        tail -n 20 "$log" >&2
        die "without any mutant, cargo test $test: $verdict" "the tests must pass first"
    fi
done <<<"$baseline"

caught=0 all=0
for name in $names; do
    all=$((all + 1))
    test=$(chosen "$name" | cut -f 2 | head -n 1)
    missed=$(apply "$name")
    verdict=${missed:+out of date: $missed}
    verdict=${verdict:-$(run "$test")}
    case $verdict in
        failed | crashed) caught=$((caught + 1)) && echo "caught    $name" ;;
        passed) echo "SURVIVED  $name ($test)" ;;
        *) echo "UNTESTED  $name ($verdict)" ;;
    esac
    restore "$name"
done
echo "caught $caught of $all"
[ "$caught" = "$all" ]
