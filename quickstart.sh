#!/usr/bin/env bash
# From a bare clone to a network that works again on a faulty chip: brings Rust, a C compiler and a
# driver where they are missing, builds, fetches CIFAR-10, tunes a NeuralFuse for one chip, prints
# accuracy and energy, and makes pictures.
#
#   ./quickstart.sh                  the second time: evaluates what the first has trained; after an
#                                    interruption: goes on where it stopped
#   ./quickstart.sh --chip 2         arguments go to `nf-gpu train` (see `nf-gpu train --help`)
#   ./quickstart.sh --chip map.npy   a measured map of your chip
#   ./quickstart.sh --no-install     says what is missing instead of installing it
set -euo pipefail
here=$PWD
cd "$(dirname "$0")"
# shellcheck source=scripts/common.sh
. scripts/common.sh

# The arguments for `nf-gpu train`. Files that they name are where the user is, which may be elsewhere.
out=runs/quickstart
arguments=()
# there FILE: its path as seen from the repository, where this script runs.
there() {
    if [ -n "$1" ] && [ "$here" != "$PWD" ] && [ -e "$here/$1" ]; then printf '%s\n' "$here/$1"; else printf '%s\n' "$1"; fi
}
# value_of FLAG VALUE: the value, with paths of files as seen from the repository. Only these flags take
# files.
value_of() {
    local list=
    case $1=$2 in
        # A number is a seed and a known name is that data set, even where a file has this name.
        --chip=*[!0-9]* | --fault-map=*)
            # One file, or several with commas between them.
            set -- "$2,"
            while [ -n "$1" ]; do
                list=$list,$(there "${1%%,*}")
                set -- "${1#*,}"
            done
            printf '%s\n' "${list#,}"
            ;;
        --dataset=cifar10 | --dataset=cifar100 | --dataset=gtsrb | --dataset=mnist | \
            --dataset=fashion-mnist | --dataset=fashion-sample) printf '%s\n' "$2" ;;
        --base=* | --init=* | --layout=* | --dataset=* | --data-dir=*) there "$2" ;;
        # This file is an output, which need not exist yet.
        --profile=[!/]*) if [ "$here" = "$PWD" ]; then printf '%s\n' "$2"; else printf '%s\n' "$here/$2"; fi ;;
        *) printf '%s\n' "$2" ;;
    esac
}
flag=
for argument; do
    case $argument in
        --no-install) export NF_NO_INSTALL=1 ;;
        -h | --help)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
            exit
            ;;
        --out | --out=* | --resume | --resume=*)
            die "the quickstart writes to $out and goes on from there by itself" \
                "leave out ${argument%%=*}, or use nf-gpu train" 2
            ;;
        --*=*) arguments+=("${argument%%=*}=$(value_of "${argument%%=*}" "${argument#*=}")") ;;
        -*) arguments+=("$argument") ;;
        *) arguments+=("$(value_of "$flag" "$argument")") ;;
    esac
    flag=$argument
done
set -- ${arguments[@]+"${arguments[@]}"}

# given FLAG: whether it is among the arguments.
given() {
    local argument
    for argument in ${arguments[@]+"${arguments[@]}"}; do
        case $argument in "$1" | "$1="*) return 0 ;; esac
    done
    return 1
}

# argument_of FLAG: its last value among the arguments, or nothing.
argument_of() {
    local argument flag='' value=''
    for argument in ${arguments[@]+"${arguments[@]}"}; do
        case $argument in "$1="*) value=${argument#*=} ;; esac
        if [ "$flag" = "$1" ]; then value=$argument; fi
        flag=$argument
    done
    printf '%s\n' "$value"
}

nf() { cargo run --release --quiet -- "$@"; }

# saved KEY: a setting of the run in $out, as its config.toml has it, or nothing.
saved() {
    sed -n -E "s/^$1 = [\"']?([^\"']*)[\"']?\$/\1/p" "$out/config.toml" | head -n 1
}

# The page is the last file that a training writes.
trained=false
if [ -e "$out/report.html" ] && [ -e "$out/generator.safetensors" ]; then trained=true; fi
need_cargo
phase "driver"
settings=$(scripts/driver.sh)
eval "$settings"

phase "build"
cargo build --release

if $trained && [ $# = 0 ]; then
    phase "evaluate $out/generator.safetensors"
    # The generator's file says which chip and which faults. The number of images is that of the earlier
    # evaluation.
    set -- --generator "$out/generator.safetensors"
    for setting in base model dataset data_dir dtype; do
        if [ -n "$(saved $setting)" ]; then set -- "--${setting/_/-}" "$(saved $setting)" "$@"; fi
    done
    if [ "$(saved allow_mismatch)" = true ]; then set -- --allow-mismatch "$@"; fi
    images=$(sed -n 's/^ *"images": *\([0-9]*\).*/\1/p' "$out/eval.json" | head -n 1)
    nf eval "$@" ${images:+--images "$images"}
elif [ -e "$out/config.toml" ] && ! given --dry-run; then
    # A run that has been trained is evaluated; arguments that contradict it are refused, with both
    # values.
    if $trained; then phase "evaluate $out"; else phase "train, going on with $out"; fi
    nf train --resume "$out" "$@" || {
        status=$?
        if [ "$status" != 130 ]; then say "to begin anew: rm -r $out, then $0 $*"; fi
        exit "$status"
    }
else
    if given --base || given --dataset; then
        set -- --out "$out" "$@"
    else
        phase "data"
        status=0
        nf data fetch cifar10 || status=$?
        if [ "$status" = 0 ]; then
            # The paper's VGG11, and a generator that was trained on many chips and is tuned for this one.
            set -- --base models/vgg11-cifar10.safetensors --dataset cifar10 --out "$out" "$@"
            generator=$(argument_of --generator | tr '[:upper:]' '[:lower:]')
            init=models/${generator:-unets}-vgg11-cifar10.safetensors
            if [ -e "$init" ] && ! given --init; then set -- --init "$init" "$@"; fi
        elif [ "$status" -gt 128 ]; then
            exit "$status" # Ctrl-C
        else
            say "CIFAR-10 cannot be fetched here: going on with the images that the program brings" \
                "along, Fashion-MNIST (fashion-sample), and the small network for them. It shows how" \
                "accuracy comes back, not how energy is saved: a generator in front of so small a" \
                "network costs more than the low voltage saves"
            set -- --base models/vgg-small-fashion.safetensors --dataset fashion-sample --out "$out" "$@"
        fi
        # The paper gives the energy for 1 % of faulty cells, drawn as its code draws them. Faults that
        # the user asks for take precedence.
        for others in --faults --fault-map --ber01 --ber10 --lot; do
            if given "$others"; then faults=other; fi
        done
        case $(argument_of --chip) in *[!0-9]*) faults=other ;; esac
        if [ "${faults-}" != other ]; then
            set -- --faults reference "$@"
            if ! given --ber; then set -- --ber 0.01 "$@"; fi
        fi
    fi
    for one_chip in --chip --lot --fault-map; do
        if given "$one_chip"; then chosen=true; fi
    done
    if ! ${chosen-false}; then set -- --chip 1 "$@"; fi
    if ! given --preset; then set -- --preset quick "$@"; fi

    phase "train"
    nf train "$@"
fi

phase ""
say "=== done in $(duration $SECONDS)"
say ""
# shown FILE TEXT: prints a line about a file, if it exists (with --dry-run none does).
shown() { if [ -e "$out/$1" ]; then say "  $(printf '%-31s %s' "$out/$1" "$2")"; fi; }
shown images.png "what NeuralFuse does to images: original, transformed, difference"
shown curves.svg "loss and accuracy over the training steps"
shown report.html "all of it as a page"
shown eval.json "the table above, for programs"
if $trained; then
    say ""
    say "trained earlier; to train again: rm -r $out, then $0"
fi
say "next: README.md, ${CARGO_TARGET_DIR:-target}/release/nf-gpu --help, ./test.sh"
