#!/usr/bin/env bash
# Put the tested PyTorch into the environment of the given Python, before anything pulls in another one.
#
# The CPU build comes from PyTorch's own index, where it is 2.13.0+cpu and so is preferred to PyPI's 2.13.0, which
# brings several GB of CUDA on Linux. Without that index PyPI's is taken. MENDEM_TORCH=cuda asks for PyPI's.
# Torch alone, without what it depends on: so an index that cannot be reached is asked for one page only, and given up
# within seconds. The install that follows adds the rest.
set -euo pipefail
index=(--extra-index-url https://download.pytorch.org/whl/cpu)
case ${MENDEM_TORCH:-cpu} in
cpu) ;;
cuda) index=() ;;
*)
    echo "MENDEM_TORCH is cpu or cuda, not '$MENDEM_TORCH'" >&2
    exit 1
    ;;
esac
"$1" -m pip install -q --disable-pip-version-check --no-deps --retries 1 --timeout 15 "${index[@]}" torch==2.13.0
