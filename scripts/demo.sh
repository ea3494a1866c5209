#!/usr/bin/env bash
# Install what is missing, then run the demo: napari where there is a display, and a before/after picture always.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
bash "$root/scripts/setup.sh" all
exec "$root/.venv/bin/mendem" demo "$@"
