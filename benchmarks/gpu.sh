#!/usr/bin/env bash
# All that is to be run on a machine with a GPU, on each Keras backend that is installed:
# the tests of the backends, the solver on arrays of the device, the cost of the callback
# at full width, and a training at full width.
#
#     pip install -e '.[jax,experiments]' pytest hypothesis
#     bash benchmarks/gpu.sh 2>&1 | tee gpu.log
#
# SIZE=small tries every piece on a CPU. DATASET=cifar10 (and TFDS_DATA_DIR) trains on
# photographs; the default needs no download. BACKENDS="jax torch" chooses among them.
set -uo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ "${SIZE:-full}" = small ]; then
  device=cpu
  solver=(--matrices=features_10000x512 --repeats=1)
  overhead=(--width=8 --num_samples=100 --rounds=1 --parts=ratio)
  training=(--preset=small --epochs=1 --train_samples=200 --models=mlp)
else
  device=gpu
  solver=(--matrices=features_10000x512,features_50000x640,features_2000x65536)
  overhead=(--width=64)
  training=(--preset=paper --epochs=2 --models=mlp,resnet18,autoencoder,simclr)
fi

failures=0
step() {  # runs a command on the backend in use, and counts failures
  echo "== $KERAS_BACKEND: $*"
  "$@" || { failures=$((failures + 1)); echo "== failed: $*"; }
}

for KERAS_BACKEND in ${BACKENDS:-tensorflow jax torch}; do
  export KERAS_BACKEND
  if ! "$python" -c "import $KERAS_BACKEND" 2>/dev/null; then
    echo "== $KERAS_BACKEND is not installed"
    continue
  fi
  if [ "${SIZE:-full}" = full ]; then
    step "$python" -m pytest $(<tests/on_every_backend.txt)
  else
    step "$python" -m pytest tests/unit/test_backend_agreement.py
  fi
  library=${KERAS_BACKEND/tensorflow/numpy}
  step "$python" benchmarks/solver.py --device="$library" "${solver[@]}"
  step "$python" benchmarks/callback_overhead.py "${overhead[@]}"
  step "$python" experiments/convergence.py --device="$device" \
    --dataset="${DATASET:-digits}" "${training[@]}" \
    --runs_dir="$folder/$KERAS_BACKEND" --out_dir="$folder/results_$KERAS_BACKEND"
done
echo "== $failures failed"
exit "$failures"
