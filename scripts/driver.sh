#!/usr/bin/env bash
# Makes sure that this machine has a Vulkan driver, where that is this project's business: on Debian and
# Ubuntu the software one is installed when there is none. Elsewhere it says what to install and goes on;
# without any adapter wgrad runs on its CPU reference.
set -u

have_driver() {
  [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && return 0
  compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null && return 0
  compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null && return 0
  compgen -G '/usr/local/share/vulkan/icd.d/*.json' >/dev/null
}

install_on_debian() {
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "no root rights and no sudo: install mesa-vulkan-drivers yourself" >&2; return 1; }
    root=(sudo)
  fi
  echo "No Vulkan driver found: installing the software driver mesa-vulkan-drivers" >&2
  # What apt says is shown if it fails.
  local said
  said=$({
    "${root[@]}" apt-get update -qq &&
      "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers
  } 2>&1 </dev/null) || { echo "$said" >&2; return 1; }
}

command -v cargo >/dev/null || { echo "cargo not found: install Rust 1.95 or newer with rustup first" >&2; exit 1; }

case "$(uname -s)" in
  Linux)
    if ! have_driver; then
      if command -v apt-get >/dev/null; then
        install_on_debian || echo "The driver could not be installed; going on without one" >&2
      else
        echo "No Vulkan driver found: install Mesa's (vulkan-swrast, mesa-vulkan-drivers) or your card's" >&2
      fi
    fi
    ;;
  Darwin) ;; # Metal is part of the system.
  *) ;;      # Direct3D 12 comes with Windows; cards bring their drivers.
esac
