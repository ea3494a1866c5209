#!/usr/bin/env bash
# Install what is missing, then run the tests, on Linux against a virtual display. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh all,test
display=()
if [ "$(uname)" = Linux ]; then
    # napari's canvas needs OpenGL under X11, whatever the desktop runs.
    unset WAYLAND_DISPLAY
    export QT_QPA_PLATFORM=xcb
    display=(xvfb-run -a -s "-screen 0 1600x1000x24")
fi
exec "${display[@]}" .venv/bin/python -m pytest "$@"
