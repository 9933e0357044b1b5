#!/usr/bin/env bash
# Every test, in the order in which failures are cheapest to find.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
export PYTHONHASHSEED=0
if [ $# -gt 0 ]; then
  exec "$bin/pytest" "$@"
fi
# What a unit test keeps is thrown away with it: in memory, where there is room, it waits for no disk.
room_kb=$(df --output=avail /dev/shm 2>/dev/null | tail -1 || true)
if [ -w /dev/shm ] && [ "${room_kb:-0}" -gt 4000000 ]; then
  memory=$(mktemp -d /dev/shm/mhXXXX)
  chmod 755 "$memory" # the database server runs as a user of its own
  trap 'rm -rf "$memory"' EXIT
fi
TMPDIR=${memory:-${TMPDIR:-/tmp}} "$bin/pytest" tests/unit -q -n 2 --dist worksteal
# Real processes, which mostly wait: two beside each other. A file's tests stay together, since they share a broker.
# The longest files come first.
"$bin/pytest" tests/e2e/test_demo.py tests/e2e tests/world tests/hil tests/fuzz tests/planted -q -n 2 --dist loadfile --no-loadscope-reorder
# Other people's programs wait even more.
"$bin/pytest" tests/fidelity -q -n 4
