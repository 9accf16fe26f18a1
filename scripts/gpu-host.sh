#!/usr/bin/env bash
# Everything worth measuring on a machine with a GPU, part by part, into one folder of JSON and
# pictures. Needs only the release binary, so it also runs where there is no Rust:
#
#   scripts/gpu-host.sh BINARY OUT [PART...]
#
#   conform  every kernel against its CPU twin
#   bench    the adapter's ceilings, kernels and their roofline
#   steps    whole steps and where their time goes, and how a step grows
#   torch    the same step in PyTorch, and both beside each other (needs torch: PYTHON names a Python)
#   train    five chips
#   repro    the paper's ResNet18 and ConvL for as many epochs as there is time for, and a sweep of rates
#
# Without PART: all, in this order. Each part takes less than ten minutes on a GPU and leaves at most
# four files in OUT; a part whose first file is there is not run again, so that a script that was cut
# off goes on. Run folders lie in WORK (default: a folder in TMPDIR) and come packed.
# DATA_DIR holds cifar-10-batches-bin (else the embedded sample is used). QUICK=1 tries the script
# itself, on any adapter, in a minute or two.
set -euo pipefail

usage() {
    sed -n '2,/^set /{s/^# \{0,1\}//;/^set /d;p}' "$0" >&2
    exit 2
}
[ $# -ge 2 ] || usage
nf=$1 out=$2
shift 2
known="conform bench steps torch train repro"
parts=${*:-$known}
for part in $parts; do
    case " $known " in *" $part "*) ;; *) echo "error: no part $part; known: $known" >&2 && exit 2 ;; esac
done
root=$(cd "$(dirname "$0")/.." && pwd)
data=${DATA_DIR-datasets/cache}
work=${WORK-${TMPDIR-/tmp}/nf-gpu-host}
mkdir -p "$out" "$work"
export NODEVICE_SELECT=1

# quick WORDS...: prints the words if QUICK is set, so that the script is only tried.
quick() { if [ -n "${QUICK-}" ]; then printf '%s\n' "$@"; fi; }

# pack PART FOLDER...: packs run folders of WORK into one file of OUT.
pack() {
    local name=$1
    shift
    tar -C "$work" -czf "$out/$name.tar.gz" "$@"
}

# Chooses the data set that is available, and a base network for it.
choose() {
    dataset=cifar10
    "$nf" data check cifar10 --data-dir "$data" >/dev/null 2>&1 || dataset=fashion-sample
    case $dataset in
        cifar10) base=$root/models/vgg-small-cifar10.safetensors ;;
        *) base=$root/models/vgg-small-fashion.safetensors ;;
    esac
}

# Each part ends by writing the file that marks it as done.

part_conform() {
    "$nf" devices --json >"$out/devices.json"
    mapfile -t less < <(quick --kernel add)
    # The report has what is wrong; the other parts are worth running all the same.
    "$nf" conform "${less[@]}" --json >"$work/conform.json" ||
        echo "conformance failed: see $out/conform.json" >&2
    mv "$work/conform.json" "$out/conform.json"
}

part_bench() {
    mapfile -t less < <(quick --kernel add --quick)
    "$nf" bench "${less[@]}" --no-steps --quiet --out "$work/bench.json" \
        --roofline "$out/roofline.svg" >"$out/bench.txt"
    mv "$work/bench.json" "$out/bench.json"
}

part_steps() {
    mapfile -t less < <(quick 'eopm/ConvS/*' --quick --batch-size 4)
    "$nf" bench --steps "${less[@]}" --quiet --out "$work/steps.json" >"$out/steps.txt"
    mapfile -t less < <(quick --quick --batch-size 4)
    "$nf" bench --scaling "${less[@]}" --quiet --out "$out/scaling.json" --plot "$out/scaling.svg" \
        >>"$out/steps.txt"
    mv "$work/steps.json" "$out/steps.json"
}

part_torch() {
    local python=${PYTHON-python3}
    if ! "$python" -c 'import nf_gpu.torch' 2>/dev/null; then
        echo "skipped: torch ($python has no torch or no nf_gpu: pip install ./bindings/python; PYTHON names another)" >&2
        return
    fi
    mapfile -t less < <(quick --generator ConvS --base resnet20 --batch 4 --seconds 0.2)
    rm -rf "$work/torch"
    "$python" "$root/python/time_torch.py" --check --batch 8 >"$out/torch-check.json"
    "$python" "$root/python/time_torch.py" "${less[@]}" --out "$work/torch" >"$work/torch.json"
    if [ -e "$out/steps.json" ]; then
        "$nf" bench --compare "$out/steps.json" "$work"/torch/*.json --plot "$out/torch.svg" \
            >"$out/torch.txt"
    fi
    mv "$work/torch.json" "$out/torch.json"
}

part_train() {
    choose
    local chip chips=(1 2 3 4 5)
    mapfile -t less < <(quick --steps 4 --batch-size 8)
    [ -z "${QUICK-}" ] || chips=(1)
    for chip in "${chips[@]}"; do
        rm -rf "$work/chip$chip"
        "$nf" train --preset quick --base "$base" --dataset "$dataset" --data-dir "$data" \
            "${less[@]}" --chip "$chip" --out "$work/chip$chip" --json --quiet >"$work/chip$chip.json"
    done
    (cd "$work" && "$nf" report "${chips[@]/#/chip}" --out "$out/chips.html")
    (cd "$work" && pack train chip[1-5] chip[1-5].json)
}

part_repro() {
    choose
    if [ "$dataset" != cifar10 ]; then
        echo "skipped: repro (no CIFAR-10 in $data)" >&2
        return
    fi
    mapfile -t less < <(quick --smoke)
    # The same command resumes an interrupted queue.
    "$nf" repro cifar10 --only 'resnet18/ConvL*' --base-epochs "${EPOCHS-5}" --epochs 1 "${less[@]}" \
        --hours "${HOURS-0.1}" --data-dir "$data" --out "$work/repro" --json >"$work/repro.json"
    base=$(find "$work/repro" -name 'resnet18*.safetensors' | head -n 1)
    if [ -n "$base" ]; then
        "$nf" train --base "$base" --data-dir "$data" --generator ConvL --faults reference --dry-run \
            --json >"$out/convl-plan.json"
        mapfile -t less < <(quick --images 20)
        "$nf" eval --base "$base" --data-dir "$data" --ber 0.02,0.01,0.005,0.002,0.001 --per-class \
            "${less[@]}" --seeds 50000..50003 --out "$out/sweep.json" --quiet
    fi
    pack repro repro
    mv "$work/repro.json" "$out/repro.json"
}

# The file that a part leaves when it is done.
done_file() {
    case $1 in
        train) echo train.tar.gz ;;
        *) echo "$1.json" ;;
    esac
}

out=$(cd "$out" && pwd)
work=$(cd "$work" && pwd)
nf=$(command -v "$nf")
nf=$(cd "$(dirname "$nf")" && pwd)/$(basename "$nf")
for part in $parts; do
    if [ -e "$out/$(done_file "$part")" ]; then
        echo "=== $part: done before" >&2
        continue
    fi
    started=$SECONDS
    echo "=== $part" >&2
    "part_$part"
    echo "--- $part: $((SECONDS - started)) s" >&2
done
