#!/usr/bin/env bash
# Newer Mesa than this machine's, for tests: lavapipe (Vulkan) and llvmpipe (GL) out of newer Debian releases, each in a
# folder of its own under target/mesa. Nothing is installed on the machine.
#   scripts/mesa.sh 25              makes target/mesa/25 of Debian 13 (600 MB; a minute or two where the network is good)
#   scripts/mesa.sh 26              makes target/mesa/26, the same with Debian unstable's Mesa, which changes with time
#   scripts/mesa.sh 26 run P ARGS   runs a program of this machine in it: the repository is there under its own path
#   scripts/mesa.sh 26 versions     what is in it
# Needs Linux on x86-64, apt and the rights of root (for chroot and mounts that end with the program).
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mesa="$root/target/mesa"

usage() { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian's mirror as this machine's apt has it.
mirror() {
  local found
  found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -n -E 's/^(URIs:|deb( \[[^]]*\])?) +(https?:\/\/[^ ]*\/debian)\/?( .*)?$/\3/p' | head -1)
  echo "${MIRROR:-${found:-http://deb.debian.org/debian}}"
}

# Runs a command in a folder as if that were the machine. Mounts and processes are in name spaces that end with it.
inside() {
  local folder=$1
  shift
  as_root mkdir -p "$folder$root"
  as_root unshare --mount --pid --fork --kill-child "${apart[@]}" bash -c '
    set -e
    folder=$1 root=$2 here=$3
    shift 3
    mount --bind "$root" "$folder$root"
    mount --bind /dev "$folder/dev"
    mount -t proc proc "$folder/proc"
    # Not as the first process of its name space: signals do not reach that one as they do others.
    chroot "$folder" env --chdir="$here" "$@" && exit 0 || exit $?
  ' inside "$folder" "$root" "$(within)" "$@"
}
# What runs in it has no network.
apart=()

# The folder to work in: this one, where the repository holds it.
within() {
  case "$PWD/" in "$root"/*) echo "$PWD" ;; *) echo "$root" ;; esac
}

install_in() {
  local folder=$1
  shift
  inside "$folder" apt-get -qq -o Acquire::Check-Valid-Until=false update
  inside "$folder" DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"
}

# debootstrap itself is a script, and needs no installing.
make_trixie() {
  local tool="$root/target/mesa/debootstrap"
  mkdir -p "$tool"
  (cd "$tool" && apt-get download -qq debootstrap 2>/dev/null && dpkg-deb -x debootstrap_*.deb . && rm debootstrap_*.deb)
  as_root env DEBOOTSTRAP_DIR="$tool/usr/share/debootstrap" "$tool/usr/sbin/debootstrap" --variant=minbase \
    --include=mesa-vulkan-drivers,libvulkan1,libgl1-mesa-dri,libegl1,libgles2 trixie "$1" "$(mirror)"
}

make_25() {
  [ -e "$mesa/25.made" ] && return 0
  as_root rm -rf "$mesa/25"
  make_trixie "$mesa/25" && touch "$mesa/25.made"
}

make_26() {
  [ -e "$mesa/26.made" ] && return 0
  as_root rm -rf "$mesa/26"
  make_25
  as_root cp -a "$mesa/25" "$mesa/26"
  echo "deb $(mirror) sid main" | as_root tee "$mesa/26/etc/apt/sources.list" >/dev/null
  install_in "$mesa/26" mesa-vulkan-drivers libgl1-mesa-dri libegl-mesa0 && touch "$mesa/26.made"
}

case "${1:-}" in 25 | 26) release=$1 ;; *) usage ;; esac
for tool in apt-get dpkg-deb unshare chroot; do
  command -v $tool >/dev/null || { echo "SKIPPED: Mesa $release in a folder of its own needs $tool" >&2; exit 3; }
done
[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || { echo "SKIPPED: Mesa $release in a folder of its own needs the rights of root" >&2; exit 3; }
mkdir -p "$mesa"
"make_$release" >&2
case "${2:-}" in
  "") ;;
  versions) inside "$mesa/$release" dpkg-query -W -f '${Package} ${Version}\n' mesa-vulkan-drivers libgl1-mesa-dri 'libllvm*' ;;
  install) shift 2; install_in "$mesa/$release" "$@" ;;
  run)
    shift 2
    [ $# -gt 0 ] || usage
    apart=(--net)
    # Both drivers, whatever the machine's own environment names; Mesa's GL wants a folder for its sockets.
    inside "$mesa/$release" -u VK_DRIVER_FILES -u VK_ICD_FILENAMES XDG_RUNTIME_DIR=/tmp HOME=/root \
      VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json "$@"
    ;;
  *) usage ;;
esac
