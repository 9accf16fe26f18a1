#!/usr/bin/env bash
# What a real GPU compiler makes of every kernel, without a GPU: Mesa's AMD driver has a null device, which
# compiles everything and runs nothing. Prints a table, and fails where a bound is broken that
# scripts/isa/bounds.tsv records. docs/benchmarks/isa.md explains the columns.
#
#   scripts/isa.sh [ARG...]           with the system's Mesa, RDNA2, RDNA3 and Vega: Debian 12 has the driver
#   scripts/isa.sh --newer [ARG...]   with Mesa 25.0 of Debian 13, RDNA4 and matrices too; needs root the first time
#
#   scripts/isa.sh --record           after a change that is meant: the new table becomes the bounds
#
# Mesa has the null device up to 25.0. Where there is none the check is skipped, but in CI it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

need_cargo
target=${CARGO_TARGET_DIR:-$PWD/target}
# Where --newer keeps Debian 13's Mesa.
folder=${NEWER_RADV:-/opt/mesa-25.0}
icd=/usr/share/vulkan/icd.d/radeon_icd.$(uname -m).json

isa() {
    env -u VK_ADD_DRIVER_FILES VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd" NODEVICE_SELECT=1 \
        XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}" "$target/release/nf-gpu-isa" "$@"
}

cargo build --release --locked --quiet --manifest-path scripts/isa/Cargo.toml --target-dir "$target"
if [ "${1-}" = --newer ]; then
    NEWER_MESA=trixie scripts/newer-llvmpipe.sh "$folder"
    library=$(find "$folder/usr/lib" -name libvulkan_radeon.so)
    libs=$(dirname "$library")
    icd=$folder/radeon_icd.json
    printf '{"file_format_version": "1.0.0", "ICD": {"api_version": "1.3.0", "library_path": "%s"}}\n' \
        "$library" >"$icd"
    loaders=("$libs"/ld-linux-*.so.?)
    export ISA_LOADER="${loaders[0]} --library-path $libs"
elif ! { [ -e "$icd" ] && RADV_FORCE_FAMILY=navi21 isa --probe; }; then
    if [ -n "${CI-}" ] && [ -e /etc/debian_version ]; then
        die "Mesa's AMD driver has no null device here" "use Debian 12, whose mesa-vulkan-drivers has it"
    fi
    say "skipped: no Mesa up to 25.0 with a null device (Debian 12: mesa-vulkan-drivers)"
    exit 0
fi
isa "$@"
