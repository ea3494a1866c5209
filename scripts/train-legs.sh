#!/usr/bin/env bash
# Train in legs of some minutes, for machines that are lent for minutes: each leg trains, writes the weights, validates, and
# prints one line. The next leg goes on where the last one stopped, here or on another machine.
#
#   bash scripts/train-legs.sh RECIPE PACK RUN [minutes of a leg, 8] [legs, 1]
#
#   PACK             made once by: mendem train RECIPE --data FOLDER --pack PACK
#   RUN              weights.safetensors (the result) and training.safetensors are all that the next leg needs; with
#                    state.pt beside them the optimiser goes on too. log.jsonl and validation.jsonl tell how it went.
#   PYTHON=python3   needs torch, numpy and safetensors; nothing is installed
#
# The learning rate falls over all legs together: the recipe's minutes are the whole. The first leg of a machine spends up to
# a minute on compiling the network; compile = false in the recipe's table [train] leaves that out.
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
recipe=$1 pack=$2 run=$3 minutes=${4:-8} legs=${5:-1}
root=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$root/src${PYTHONPATH:+:$PYTHONPATH}"
for ((leg = 1; leg <= legs; leg++)); do
    "${PYTHON:-python3}" -m mendem train "$recipe" --data "$pack" --run "$run" --leg "$minutes"
done
