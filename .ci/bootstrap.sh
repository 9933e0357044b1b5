#!/usr/bin/env bash
# Set up .venv from the hash-pinned locks. Usage: .ci/bootstrap.sh [runtime|dev]
# Does nothing when the locks have not changed since the last time.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-runtime}
python=${PYTHON:-}
recent() { command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
makes_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }
# The distribution's own interpreter goes first: it is built with profile-guided optimisation, while one compiled by a
# version manager mostly is not and takes a third more time for everything. PYTHON= chooses another.
if [ -z "$python" ] && recent /usr/bin/python3 && makes_venv /usr/bin/python3; then python=/usr/bin/python3; fi
if [ -z "$python" ]; then
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if recent "$candidate"; then
      python=$candidate
      break
    fi
  done
fi
if [ -z "$python" ]; then
  echo "Mini Hub needs Python 3.11 or later. On Debian or Ubuntu: sudo apt-get install python3 python3-venv make" >&2
  exit 3
fi
if ! makes_venv "$python"; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing python3-venv (this Python cannot make virtual environments yet) ..."
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null ||
      { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null; }
  else
    echo "This Python cannot make virtual environments. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2
    exit 3
  fi
fi
lock=requirements.lock
[ "$kind" = dev ] && lock=requirements-dev.lock
stamp=$(cat requirements.lock "$lock" pyproject.toml | sha256sum | cut -c1-16)-$kind
if [ -f .venv/.ready ] && { grep -qx "$stamp" .venv/.ready || grep -qx "${stamp%-*}-dev" .venv/.ready; }; then
  exit 0
fi
echo "Setting up .venv from $lock (once; a minute or two) ..."
[ -x .venv/bin/python ] || "$python" -m venv .venv
PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock" 2> >(grep -v 'WARNING: Location' >&2 || true)
PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . 2> >(grep -v 'WARNING: Location' >&2 || true)
echo "$stamp" >> .venv/.ready
