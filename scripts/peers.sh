#!/usr/bin/env bash
# Convolutions of nf-gpu, burn and PyTorch at the same shapes on this machine, one after the other, then side by side.
#
#   scripts/peers.sh DIR [ARG...]     reports and table into DIR; ARGs are of `nf-gpu bench`, such as --case '*c=64*'
#   NF_MESA=FOLDER ...                with the llvmpipe that scripts/newer-llvmpipe.sh put there
#   NF_BINARY=nf-gpu ...              this one, without a build
#   NF_PYTHON=venv/bin/python ...     a Python that has torch (else one is made in target/peers)
#
# burn is three hundred packages to build, and it tunes itself for each shape before that is timed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

[ $# -ge 1 ] || die "which folder?" "scripts/peers.sh DIR [ARG...]" 2
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
need_cargo
settings=$(scripts/driver.sh)
eval "$settings"
target=${CARGO_TARGET_DIR:-$PWD/target}
driver=()
if [ -n "${NF_MESA-}" ]; then driver=("$PWD/scripts/newer-llvmpipe.sh" "$(realpath "$NF_MESA")"); fi

phase "building"
binary=${NF_BINARY-}
if [ -z "$binary" ]; then
    cargo build --release
    binary=$target/release/nf-gpu
fi
binary=$(realpath "$binary")
cargo build --release --locked --manifest-path scripts/peers/Cargo.toml --target-dir "$target"
mkdir -p "$target/peers"
python=$(python_with_torch "$target/peers")

phase "nf-gpu"
"${driver[@]}" "$binary" bench --kernel 'conv2d*' "$@" --out "$out/ours.json" >"$out/ours.txt"
phase "burn"
"${driver[@]}" "$target/release/nf-gpu-peers" "$out/ours.json" --out "$out/burn.json"
phase "PyTorch"
"$python" scripts/peers/torch_convolutions.py "$out/ours.json" --out "$out/torch.json"
phase ""
"$binary" bench --compare "$out"/{ours,burn,torch}.json | tee "$out/compared.txt"
