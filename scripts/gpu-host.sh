#!/usr/bin/env bash
# Everything worth measuring on a machine with a GPU, into one folder of JSON and pictures. Needs
# only the release binary, so it also runs where there is no Rust:
#   scripts/gpu-host.sh BINARY OUT [DATA_DIR]
# DATA_DIR holds cifar-10-batches-bin (else the embedded sample is used). Order: conformance first,
# then times, then training that fills the rest.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 BINARY OUT [DATA_DIR]" >&2; exit 2; }
nf=$1 out=$2 data=${3-datasets/cache}
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out"
export NODEVICE_SELECT=1

"$nf" devices --json >"$out/devices.json"
"$nf" conform --json >"$out/conform.json" || echo "conformance failed: see $out/conform.json" >&2
"$nf" bench --out "$out/bench.json" --quiet

dataset=cifar10
"$nf" data check cifar10 --data-dir "$data" >/dev/null 2>&1 || dataset=fashion-sample
case $dataset in
    cifar10) base=$root/models/vgg-small-cifar10.safetensors ;;
    *) base=$root/models/vgg-small-fashion.safetensors ;;
esac
for chip in 1 2 3 4 5; do
    rm -rf "$out/chip$chip"
    "$nf" train --preset quick --base "$base" --dataset "$dataset" --data-dir "$data" \
        --chip "$chip" --out "$out/chip$chip" --json >"$out/chip$chip.json"
done

# The paper's own pair, for as many epochs as there is time for (its README: 300 each): the tables beside
# the paper's, resumable by the same command.
[ "$dataset" = cifar10 ] || exit 0
"$nf" repro cifar10 --only 'resnet18/ConvL*' --base-epochs "${EPOCHS-5}" --epochs 1 \
    --hours "${HOURS-0.15}" --data-dir "$data" --out "$out/repro" --json >"$out/repro.json"
base=$(find "$out/repro" -name 'resnet18*.safetensors' | head -n 1)
[ -n "$base" ] || exit 0
"$nf" train --base "$base" --data-dir "$data" --generator ConvL --faults reference --dry-run --json \
    >"$out/convl-plan.json"
"$nf" inject --base "$base" --ber 0.01 --seed 7 --verify --out "$out/faulty.safetensors" --json \
    >"$out/inject.json"
rm -f "$out/faulty.safetensors" # only its record is of interest
"$nf" eval --base "$base" --data-dir "$data" --ber 0.02,0.01,0.005,0.002,0.001 --per-class \
    --sensitivity --protect --seeds 50000..50003 --out "$out/sweep.json" --quiet
"$nf" report "$out/sweep.json" "$out"/chip* --out "$out/report.html"
