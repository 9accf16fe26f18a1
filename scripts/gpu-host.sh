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

# The paper's own pair, for as many epochs as there is time for (its README: 300 each).
[ "$dataset" = cifar10 ] || exit 0
"$nf" pretrain --model resnet18 --dataset cifar10 --data-dir "$data" --epochs "${EPOCHS-5}" \
    --out "$out/resnet18.safetensors"
"$nf" eval --base "$out/resnet18.safetensors" --data-dir "$data" --faults reference \
    --ber 0.01,0.005 --json >"$out/resnet18.json"
"$nf" train --base "$out/resnet18.safetensors" --data-dir "$data" --generator ConvL \
    --faults reference --dry-run --json >"$out/convl-plan.json"
"$nf" train --base "$out/resnet18.safetensors" --data-dir "$data" --generator ConvL \
    --faults reference --epochs 1 --out "$out/convl" --json >"$out/convl.json"
