#!/usr/bin/env bash
# Make both lock files again. They name no index; the build backend is in the runtime lock because pip's hash mode needs it.
set -euo pipefail
cd "$(dirname "$0")/.."
compile=(uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate --universal --python-version 3.11)
printf 'setuptools==84.2.1\n' > build/lock-backend.in
"${compile[@]}" --extra all pyproject.toml build/lock-backend.in -o requirements.lock
"${compile[@]}" --group dev --extra all pyproject.toml build/lock-backend.in -c requirements.lock -o requirements-dev.lock
