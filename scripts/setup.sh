#!/usr/bin/env bash
# Install napari-mendem, editable, with the named extras into .venv; first the system libraries that are missing.
# It may be run again at any time, and then does only what is left to do.
#
#   bash scripts/setup.sh all            what the demo needs
#   bash scripts/setup.sh all,test       and what the tests need
#   MENDEM_TORCH=cuda bash scripts/...   PyTorch with CUDA (several GB) in place of the CPU build
set -euo pipefail
cd "$(dirname "$0")/.."
extras=${1:-all}
venv=.venv/bin/python

die() {
    echo "setup: $*" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

missing=() # Debian packages
if ! "$venv" -m pip --version >/dev/null 2>&1; then
    if ! python=$(find_python); then
        missing+=(python3 python3-venv)
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        missing+=("$("$python" -c 'import sys; print(f"python3.{sys.version_info.minor}-venv")')")
    fi
fi
if [ "$(uname)" = Linux ]; then
    # What Qt's xcb platform and napari's canvas load at run time and a wheel cannot bring along. Asked by library and
    # not by package, because Ubuntu has renamed some of the packages.
    present=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p)
    while read -r library package; do
        grep -qF "$library" <<<"$present" || missing+=("$package")
    done <<'EOF'
libGL.so.1 libgl1
libEGL.so.1 libegl1
libfontconfig.so.1 libfontconfig1
libdbus-1.so.3 libdbus-1-3
libglib-2.0.so.0 libglib2.0-0
libxkbcommon.so.0 libxkbcommon0
libxkbcommon-x11.so.0 libxkbcommon-x11-0
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-shape.so.0 libxcb-shape0
EOF
    if [[ ,$extras, == *,test,* ]]; then
        command -v xvfb-run >/dev/null || missing+=(xvfb)
        command -v xauth >/dev/null || missing+=(xauth)
    fi
fi

if ((${#missing[@]})); then
    command -v apt-get >/dev/null ||
        die "missing here: ${missing[*]} (Debian's names). Install them and run this again."
    as_root=(env DEBIAN_FRONTEND=noninteractive)
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "as root: apt-get install ${missing[*]}; then run this again."
        as_root=(sudo "${as_root[@]}")
    fi
    apt=("${as_root[@]}" apt-get -q -y -o Acquire::Retries=2 -o DPkg::Lock::Timeout=300)
    echo "setup: installing ${missing[*]}"
    "${apt[@]}" update || echo "setup: package lists not refreshed; going on with those at hand" >&2
    "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null
fi

if ! "$venv" -m pip --version >/dev/null 2>&1; then
    python=$(find_python) || die "needs Python 3.11 or newer; this system's python3 is $(python3 --version 2>&1)."
    "$python" -m venv --clear .venv
fi

stamp=.venv/set-up-$extras
state="$PWD ${MENDEM_TORCH:-cpu} $(cat pyproject.toml hatch_build.py scripts/*.sh | cksum)"
if [ "$(cat "$stamp" 2>/dev/null)" != "$state" ]; then
    bash scripts/install-torch.sh "$venv"
    "$venv" -m pip install -q --disable-pip-version-check -e ".[$extras]"
    echo "$state" >"$stamp"
fi
