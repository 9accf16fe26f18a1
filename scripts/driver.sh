#!/usr/bin/env bash
# Makes sure that there is a GPU driver which nf-gpu can use, if need be a software one.
#
#   eval "$(scripts/driver.sh)"         a driver at all: what a user needs
#   eval "$(scripts/driver.sh --all)"   and the other software adapters: what the tests run on
#
# Installs packages on Debian and Ubuntu only, and only what is missing; elsewhere, and with NF_NO_INSTALL set, says
# what to install. A driver that is there is left alone. Messages go to stderr; stdout holds the settings that the
# caller needs, as `export` lines.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

all=false
case ${1-} in
    "") ;;
    --all) all=true ;;
    *) die "unknown argument $1" "scripts/driver.sh [--all]" 2 ;;
esac

has_library() {
    { PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null || true; } | grep -q "$1" ||
        compgen -G "/usr/lib*/$1*" >/dev/null || compgen -G "/usr/lib/*/$1*" >/dev/null ||
        compgen -G "/run/opengl-driver/lib/$1*" >/dev/null
}

# Descriptions of Vulkan drivers whose names match the pattern, where the loader looks for them.
icds() {
    local folder
    IFS=: read -r -a folders <<<"${XDG_DATA_DIRS:-/usr/local/share:/usr/share}:/etc:/usr/local/etc:${XDG_DATA_HOME:-${HOME:-/root}/.local/share}:/run/opengl-driver/share"
    for folder in "${folders[@]}"; do compgen -G "$folder/vulkan/icd.d/$1.json" || true; done
}

has_vulkan() {
    has_library libvulkan.so.1 || return 1
    [ -n "${VK_DRIVER_FILES-}${VK_ICD_FILENAMES-}${VK_ADD_DRIVER_FILES-}$(icds '*')" ]
}

# The names of the packages on distributions that this script does not install on.
advice() {
    case " $(distribution) " in
        *debian* | *ubuntu*) echo "sudo apt-get install mesa-vulkan-drivers libvulkan1" ;;
        *fedora* | *rhel*) echo "sudo dnf install mesa-vulkan-drivers vulkan-loader" ;;
        *arch*) echo "sudo pacman -S vulkan-icd-loader and your GPU's driver (vulkan-radeon," \
            "vulkan-intel, nvidia-utils), or vulkan-swrast without a GPU" ;;
        *suse*) echo "sudo zypper install libvulkan1 libvulkan_lvp" ;;
        *alpine*) echo "sudo apk add vulkan-loader mesa-vulkan-swrast" ;;
        *) echo "install the Vulkan loader and your GPU's Vulkan driver, or Mesa's llvmpipe" ;;
    esac
}

vulkan() {
    if has_vulkan; then return; fi
    has_apt || die "no Vulkan driver is installed" "$(advice)"
    say "no Vulkan driver: installing Mesa's (mesa-vulkan-drivers libvulkan1)"
    apt_install mesa-vulkan-drivers libvulkan1 || die "Mesa's Vulkan driver was not installed" \
        "$(advice)"
}

# Installs the other software adapters that the tests use: llvmpipe beside a hardware driver, OpenGL, SwiftShader.
# If one is missing, the tests cover less but are not wrong, so this only says so.
others() {
    local packages=() swiftshader
    if [ -z "$(icds 'lvp*')" ]; then packages+=(mesa-vulkan-drivers); fi
    if ! has_library libEGL.so.1 || ! has_library libEGL_mesa; then
        packages+=(libegl1 libegl-mesa0 libgl1-mesa-dri)
    fi
    if [ "${#packages[@]}" -gt 0 ]; then
        if ! has_apt || ! apt_install "${packages[@]}"; then
            say "note: not installed, so not tested on: ${packages[*]}"
        fi
    fi

    swiftshader=$(find_swiftshader)
    # Debian's chromium-common is the part of Chromium that holds it.
    if [ -z "$swiftshader" ] && has_apt && apt_install chromium-common; then
        swiftshader=$(find_swiftshader)
    fi
    if [ -z "$swiftshader" ]; then
        say "note: no SwiftShader (Debian: chromium-common), so not tested on it"
    elif [ -n "${VK_DRIVER_FILES-}${VK_ICD_FILENAMES-}" ]; then
        say "note: VK_DRIVER_FILES is set, so SwiftShader is not added to it"
    else
        printf 'export VK_ADD_DRIVER_FILES=%q\n' \
            "${VK_ADD_DRIVER_FILES:+$VK_ADD_DRIVER_FILES:}$swiftshader"
    fi
}

# Every Chromium ships SwiftShader. Its description names the library beside it, which the loader finds.
find_swiftshader() {
    local folder
    for folder in /usr/lib/chromium /usr/lib64/chromium-browser /opt/google/chrome; do
        if [ -e "$folder/libvk_swiftshader.so" ] && [ -e "$folder/vk_swiftshader_icd.json" ]; then
            echo "$folder/vk_swiftshader_icd.json"
            return
        fi
    done
}

case $(uname -s) in
    Linux)
        vulkan
        if $all; then others; fi
        # Mesa's device_select layer looks for a Wayland session and prints an error if there is none.
        if [ -z "${XDG_RUNTIME_DIR-}" ]; then echo "export NODEVICE_SELECT=1"; fi
        ;;
    Darwin | MINGW* | MSYS* | CYGWIN*) ;; # Metal and DX12 are part of the system
    *) has_vulkan || die "no Vulkan driver is installed" "$(advice)" ;;
esac
