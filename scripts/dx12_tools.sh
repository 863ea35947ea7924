# What scripts/dx12.sh and scripts/hlsl.sh need to run Windows programs on Linux; sourced. Nothing is installed on the
# machine: all of it lies under target/.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools="$root/target/dx12"
mkdir -p "$tools"

# A C compiler and linker for Windows: the machine's own, or Debian's out of their packages (350 MB).
# Sets `mingw` to the compiler, and PATH so that it finds its assembler.
need_mingw() {
  mingw=$(command -v x86_64-w64-mingw32-gcc) && return 0
  local folder="$root/target/mingw"
  mingw="$folder/usr/bin/x86_64-w64-mingw32-gcc-win32"
  if [ ! -e "$folder.made" ]; then
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { echo "SKIPPED: no x86_64-w64-mingw32-gcc" >&2; return 3; }
    mkdir -p "$folder"
    (
      cd "$folder" && apt-get download -qq binutils-mingw-w64-x86-64 mingw-w64-x86-64-dev gcc-mingw-w64-base \
        gcc-mingw-w64-x86-64-win32 gcc-mingw-w64-x86-64-win32-runtime mingw-w64-common 2>/dev/null &&
        for package in *.deb; do dpkg-deb -x "$package" . && rm "$package"; done && touch "$folder.made"
    ) || { echo "SKIPPED: mingw could not be fetched" >&2; return 3; }
  fi
  export PATH="$folder/usr/bin:$PATH"
}

# Microsoft's compilers, FXC (d3dcompiler_47.dll) and DXC (dxcompiler.dll), which the npm package of Dawn holds.
WEBGPU=0.6.2
need_compilers() {
  [ -e "$tools/compilers-$WEBGPU" ] && return 0
  command -v npm >/dev/null || { echo "SKIPPED: npm, which brings FXC and DXC, is not installed" >&2; return 3; }
  (
    cd "$tools" && npm pack --silent "webgpu@$WEBGPU" >/dev/null &&
      tar -xzf "webgpu-$WEBGPU.tgz" --strip-components=3 package/dist/win32-x64/d3dcompiler_47.dll package/dist/win32-x64/dxcompiler.dll &&
      rm "webgpu-$WEBGPU.tgz" && touch "compilers-$WEBGPU"
  ) || { echo "SKIPPED: FXC and DXC could not be fetched" >&2; return 3; }
}

# Wine 10 in the folder of Mesa 25, which is its Vulkan adapter too. Older ones' own Direct3D 12 computes wrong values
# without an error.
need_wine() {
  "$root/scripts/mesa.sh" 25 || return 3
  [ -x "$root/target/mesa/25/usr/lib/wine/wine64" ] ||
    "$root/scripts/mesa.sh" 25 install wine64 wine libwine xvfb xauth >&2 || { echo "SKIPPED: Wine could not be had" >&2; return 3; }
  # The server writes what was made when it ends.
  [ -e "$tools/prefix/system.reg" ] || in_x sh -c '/usr/lib/wine/wine64 wineboot -i; /usr/lib/wine/wineserver64 -w' >&2
}

# Runs a Windows program under Wine. Of a process that is killed nothing stays behind.
in_wine() {
  in_x /usr/lib/wine/wine64 "$@"
}

# Runs a command in the folder with a display, which Wine's Vulkan wants, and Wine's settings.
in_x() {
  "$root/scripts/mesa.sh" 25 run env WINEPREFIX="$tools/prefix" WINEDEBUG=-all \
    WINEDLLOVERRIDES="winemenubuilder.exe=d;mscoree=d;mshtml=d;d3dcompiler_47=n" \
    xvfb-run -a "$@"
}
