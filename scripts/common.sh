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

# cargo, recent enough, and a linker.
need_cargo() {
    local need have
    command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
    command -v cargo >/dev/null ||
        die "cargo is not installed" "get Rust from https://rustup.rs, then run this again"
    need=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' Cargo.toml)
    have=$(cargo --version | sed -n 's/^cargo 1\.\([0-9]*\).*/\1/p')
    [ "${have:-$need}" -ge "$need" ] ||
        die "Rust 1.$have is too old; 1.$need is needed" "rustup update stable (https://rustup.rs)"
    case $(uname -s) in
        Linux) command -v cc >/dev/null ||
            die "no linker (cc)" "Debian/Ubuntu: apt-get install build-essential" ;;
        Darwin) command -v cc >/dev/null || die "no linker (cc)" "xcode-select --install" ;;
    esac
}

# as_root COMMAND...: runs it as root, if that can be done without asking.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
can_be_root() {
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

has_apt() { [ -e /etc/debian_version ] && command -v apt-get >/dev/null && can_be_root; }

# apt_install PACKAGE...: quiet when it works.
apt_install() {
    local log status=0
    log=$(mktemp)
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
    # The second try is for a machine whose package lists are old or were never fetched.
    as_root "${install[@]}" >"$log" 2>&1 || {
        as_root apt-get update >>"$log" 2>&1 && as_root "${install[@]}" >>"$log" 2>&1
    } || status=$?
    if [ "$status" != 0 ]; then tail -n 5 "$log" >&2; fi
    rm -f "$log"
    return "$status"
}
