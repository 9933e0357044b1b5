#!/usr/bin/env bash
# Every test, in the order in which failures are cheapest to find.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
export PYTHONHASHSEED=0
if [ $# -gt 0 ]; then
  exec "$bin/pytest" "$@"
fi
"$bin/pytest" tests/unit -q -n 2 --dist loadfile
# Real processes and other people's clocks: one after the other, so that nobody waits for somebody else's load.
"$bin/pytest" tests/world tests/hil tests/e2e tests/fidelity tests/fuzz -q
