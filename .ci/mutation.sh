#!/usr/bin/env bash
# Mutation testing of controller/domain: how many planted changes do the tables and tests notice?
# Usage: .ci/mutation.sh [children]      Prints the share killed; exit 1 below 90 %. Survivors: build/mutation/survivors.txt
# The laws (test_laws.py) are left out: they are slow, and what only they catch is listed as surviving.
set -euo pipefail
cd "$(dirname "$0")/.."
children=${1:-2}
work=build/mutation
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
if [ ! -x $work/env/bin/mutmut ]; then
  rm -rf $work/env
  .venv/bin/python -m venv $work/env
  $work/env/bin/python -m pip install --quiet --disable-pip-version-check mutmut==3.8.1 2> >(grep -v 'WARNING: Location' >&2 || true)
  echo "$site" > "$($work/env/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
fi
rm -rf $work/tree
mkdir -p $work/tree/controller $work/tree/tests/unit $work/tree/tests/data
cp controller/__init__.py $work/tree/controller/
cp -r controller/domain $work/tree/controller/
cp tests/__init__.py $work/tree/tests/
cp tests/unit/__init__.py $work/tree/tests/unit/
cp -r tests/unit/domain $work/tree/tests/unit/
cp -r tests/data/decisions $work/tree/tests/data/
rm -f $work/tree/tests/unit/domain/test_laws.py $work/tree/tests/unit/domain/homes.py
find $work/tree -name __pycache__ -prune -exec rm -rf {} +
cat > $work/tree/pyproject.toml <<'TOML'
[tool.mutmut]
source_paths = ["controller/domain"]
also_copy = ["controller", "tests"]
pytest_add_cli_args_test_selection = ["tests/unit/domain"]
[tool.pytest.ini_options]
addopts = "--import-mode=importlib -p no:cacheprovider"
pythonpath = ["."]
TOML
bin=$PWD/$work/env/bin
# Plugins of the project's other rooms are not in this tree.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
cd $work/tree
"$bin/mutmut" run --max-children "$children" > ../run.log 2>&1 || { tail -20 ../run.log >&2; exit 2; }
"$bin/mutmut" results --all true > ../results.txt
cd ..
grep -vE ': (killed|timeout)$' results.txt > survivors.txt || true
awk '/: (killed|timeout)$/ { killed++ } /: / { all++ } END {
  share = 100 * killed / all; printf "%d of %d mutants killed: %.1f %%\n", killed, all, share; exit share < 90 }' results.txt
