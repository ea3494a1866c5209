#!/usr/bin/env bash
# Measure quality and speed against baselines, and write docs/benchmarks.md and docs/images/benchmark-*.png.
#
#   bash scripts/benchmark.sh                      everything; takes about an hour and a half on two cores
#   bash scripts/benchmark.sh --skip ablation      all but the small trainings, which take half of the time
#   bash scripts/benchmark.sh --only pair,speed    some sections; the others are kept if the weights are the same
#   bash scripts/benchmark.sh --data FOLDER        where the public micrographs are
#   PYTHON=...                                     an environment that has mendem, its tests' extras and matplotlib
#   MENDEM_BM3D=no                                 without BM3D
#
# BM3D's package is licensed for non-commercial use. It is a baseline only, in an environment of its own below runs/,
# which git ignores; nothing that is shipped imports it.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ]; then
    bash scripts/setup.sh all,test
    PYTHON=.venv/bin/python
fi
"$PYTHON" -c 'import matplotlib' 2>/dev/null || "$PYTHON" -m pip install -q --disable-pip-version-check matplotlib
bm3d=()
if [ "${MENDEM_BM3D:-yes}" != no ]; then
    environment=runs/bm3d-environment
    if ! "$environment/bin/python" -c 'import bm3d' 2>/dev/null; then
        "$PYTHON" -m venv --clear "$environment"
        "$environment/bin/python" -m pip install -q --disable-pip-version-check "numpy<2.4" "bm3d==4.0.3"
    fi
    bm3d=(--bm3d "$environment/bin/python")
fi
display=()
if [ "$(uname)" = Linux ] && command -v xvfb-run >/dev/null; then
    unset WAYLAND_DISPLAY
    export QT_QPA_PLATFORM=xcb
    display=(xvfb-run -a -s "-screen 0 1600x1000x24")
fi
export PYTHONPATH="$PWD/src:$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec "${display[@]}" "$PYTHON" -m benchmarks "${bm3d[@]}" "$@"
