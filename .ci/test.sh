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
# Real processes, which mostly wait: two beside each other. A file's tests stay together, since they share a broker.
"$bin/pytest" tests/hil tests/world tests/e2e tests/planted tests/fuzz -q -n 2 --dist loadfile
# Other people's programs wait even more.
"$bin/pytest" tests/fidelity -q -n 4
