#!/usr/bin/env bash
# Puts a newer Mesa (llvmpipe about twice as fast, with cooperative matrices) into a folder, beside
# the system's own, and runs a program of this machine with it. Debian 12 or its like, x86-64/arm64.
#
#   scripts/newer-llvmpipe.sh DIR                    make it once, as root: half a minute, 750 MB
#   scripts/newer-llvmpipe.sh DIR COMMAND [ARG...]   run COMMAND with its driver, as anyone
#
#   scripts/newer-llvmpipe.sh /opt/mesa target/release/nf-gpu devices
#
# COMMAND is started by the folder's own loader and C library, which its driver needs and an older
# build accepts. Nothing is mounted, and files have their usual paths; to undo it, remove the folder.
set -euo pipefail

suite=${NEWER_SUITE:-trixie}
# The release whose Mesa it is: scripts/isa.sh takes another.
mesa=${NEWER_MESA:-$suite-backports}

die() {
    printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
    exit 1
}

# The mirror that this system's own apt sources name.
mirror() {
    # shellcheck disable=SC2016 # apt expands it
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sort -u |
        grep -m1 -E '/debian/?$' ||
        die "no Debian mirror among this system's apt sources" \
            "set NEWER_MIRROR to the address of one"
}

make() {
    local from=${NEWER_MIRROR:-}
    [ "$(id -u)" = 0 ] || die "making $dir needs root" "sudo $0 $dir"
    [ -n "$from" ] || from=$(mirror)
    command -v debootstrap || apt-get install -y debootstrap
    if [ ! -e "$dir/etc/debian_version" ]; then
        debootstrap --variant=minbase --include=ca-certificates "$suite" "$dir" "$from"
    fi
    printf 'deb %s %s main\n' "$from" "$suite" "$from" "$suite-backports" \
        >"$dir/etc/apt/sources.list"
    chroot "$dir" apt-get update
    DEBIAN_FRONTEND=noninteractive chroot "$dir" apt-get install -y --no-install-recommends \
        -t "$mesa" mesa-vulkan-drivers libvulkan1 libegl1 libgl1-mesa-dri
}

[ $# -ge 1 ] || die "which folder?" "$0 DIR [COMMAND [ARG...]]"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift

driver() { find "$dir/usr/lib" -name libvulkan_lvp.so; }
[ -n "$(driver)" ] || make >&2
libs=$(dirname "$(driver)")

# The package's own description of the driver does not name the library's folder.
icd=$dir/llvmpipe_icd.json
[ -e "$icd" ] || printf \
    '{"file_format_version": "1.0.0", "ICD": {"api_version": "1.4.0", "library_path": "%s"}}\n' \
    "$libs/libvulkan_lvp.so" >"$icd"

[ $# -ge 1 ] || exit 0
command=$(command -v "$1") || die "no command $1" "give its path"
shift
export VK_DRIVER_FILES=$icd
export __EGL_VENDOR_LIBRARY_DIRS=$dir/usr/share/glvnd/egl_vendor.d
export LIBGL_DRIVERS_PATH=$libs/dri
exec "$libs"/ld-linux-*.so.? --library-path "$libs" --argv0 "$command" "$command" "$@"
