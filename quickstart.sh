#!/usr/bin/env bash
# From a bare clone to a network that works again on a faulty chip: finds or installs a driver,
# builds, fetches CIFAR-10, trains a NeuralFuse for one chip, prints the table and the pictures.
#
#   ./quickstart.sh                  the second time: evaluates what the first has trained
#   ./quickstart.sh --chip 2         arguments go to `nf-gpu train` (see `nf-gpu train --help`)
set -euo pipefail
cd "$(dirname "$0")"
. scripts/common.sh

out=runs/quickstart
nf() { cargo run --release --quiet -- "$@"; }

# saved KEY: a setting of the run in $out, as its config.toml has it.
saved() {
    sed -n -E "s/^$1 *= *\"?([^\"]*)\"? *\$/\1/p" "$out/config.toml" | head -n 1
}

if [ $# -gt 0 ] && [ -e "$out/generator.safetensors" ]; then
    die "$out holds a trained generator" "rm -r $out, then $0 $* trains another" 2
fi

need_cargo
phase "driver"
settings=$(scripts/driver.sh)
eval "$settings"

phase "build"
cargo build --release

if [ -e "$out/generator.safetensors" ]; then
    phase "evaluate $out/generator.safetensors"
    chip=$(saved chip)
    nf eval --base "$(saved base)" --generator "$out/generator.safetensors" \
        --dataset "$(saved dataset)" --faults "$(saved faults)" --ber "$(saved ber)" \
        --seeds "$chip..$((chip + 1))" --images 2000
    again=true
else
    phase "data"
    status=0
    nf data fetch cifar10 || status=$?
    if [ "$status" = 0 ]; then
        dataset=cifar10 base=models/vgg-small-cifar10.safetensors
    elif [ "$status" = 130 ]; then
        exit 130 # Ctrl-C
    else
        say "CIFAR-10 cannot be fetched here: going on with the images that the program brings" \
            "along, Fashion-MNIST (fashion-sample)"
        dataset=fashion-sample base=models/vgg-small-fashion.safetensors
    fi

    phase "train"
    rm -rf "$out" # of a run that was interrupted
    case " $*" in
        *" --chip"*) ;;
        *) set -- --chip 1 "$@" ;;
    esac
    nf train --preset quick --base "$base" --dataset "$dataset" --out "$out" "$@"
    again=false
fi

phase ""
say "=== done in $(duration $SECONDS)"
say ""
say "  $out/images.png   what NeuralFuse does to images: original, transformed, difference"
say "  $out/curves.png   loss and accuracy over the training steps"
say "  $out/eval.json    the table above, for programs"
if $again; then
    say ""
    say "trained earlier; to train again: rm -r $out, then $0"
fi
say "next: README.md, ${CARGO_TARGET_DIR:-target}/release/nf-gpu --help, ./test.sh"
