"""What is shipped for installing is what the programs accept."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from device_agent.config import ConfigError, load

pytestmark = pytest.mark.e2e
DEPLOY = Path(__file__).parents[3] / "deploy" / "hub"


def test_the_sample_settings_lack_only_the_certificates() -> None:
    with pytest.raises(ConfigError) as refused:
        load(DEPLOY / "hub.toml", {})
    assert all("no such file" in problem for problem in refused.value.problems)


def test_the_unit_is_hardened_to_three_or_better(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        if os.environ.get("CI") == "true":
            pytest.fail("apt-get install -y systemd")
        pytest.skip("apt-get install -y systemd")
    unit = shutil.copy(DEPLOY / "hub-agent.service", tmp_path)
    done = subprocess.run(
        [tool, "security", "--offline=true", "--threshold=30", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for hub-agent.service: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found.group(1)) <= 3.0
    assert done.returncode == 0


def test_the_procd_script_is_a_shell_script() -> None:
    assert subprocess.run(["sh", "-n", str(DEPLOY / "hub-agent.init")], check=False).returncode == 0
