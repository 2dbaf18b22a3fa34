#!/usr/bin/env bash
# All that wants a GPU, in one window of nine minutes: benchmarks/gpu/window.sh OUT [--dry]
#
# It takes an environment with Lossary, torch and triton, and no network: PYTHON says which (python3). Each step writes
# into OUT before the next begins, and none takes the time of the others. --dry runs all of it on the CPU, tiny.
set -u
cd "$(dirname "$0")/../.."
out=${1:?usage: window.sh OUT [--dry]} dry=${2:-} python=${PYTHON:-python3}
mkdir -p "$out"
out=$(cd "$out" && pwd)
export PYTHONPATH=$PWD/src:$PWD${PYTHONPATH:+:$PYTHONPATH}

step() { # name, seconds, command
  local name=$1 seconds=$2 begin=$SECONDS code=0
  shift 2
  timeout "$seconds" "$@" >"$out/$name.log" 2>&1 || code=$?
  echo "{\"step\": \"$name\", \"exit\": $code, \"seconds\": $((SECONDS - begin))}" | tee -a "$out/steps.jsonl"
}

measured() { step "$1" "$2" "$python" -m benchmarks.gpu.steps "$1" "$out" ${dry:+--dry}; }

: >"$out/steps.jsonl"
measured machine 60
measured variants 60
tests=tests/cuda/test_gpu.py
[ -n "$dry" ] && export TRITON_INTERPRET=1 && tests=tests/cuda/test_values_elementwise.py
step tests 120 "$python" -m pytest -q -p no:cacheprovider --junitxml "$out/tests.xml" "$tests"
unset TRITON_INTERPRET
measured times 180
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    step "$tool" 40 compute-sanitizer --tool "$tool" --error-exitcode 1 \
      "$python" -m pytest -q -p no:cacheprovider tests/cuda/test_gpu.py -k small
  done
fi
measured sizes 60
step compare 20 "$python" -m benchmarks.gpu.compare "$out"
cat "$out/compare.log"
