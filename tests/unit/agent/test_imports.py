"""What is imported decides what stays in a hub's memory for years; each claim in a fresh interpreter."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def modules_after(code: str) -> set[str]:
    """The modules in memory after the code ran."""
    program = f"import json, sys\n{code}\nprint(); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_contract_pulls_in_neither_serial_nor_mqtt_nor_the_bridge() -> None:
    loaded = modules_after("import device_agent.protocol")
    assert not {"serial", "aiomqtt", "paho", "firmware_bridge", "asyncio", "device_agent.config"} & loaded


def test_run_imports_no_typer_rich_structlog_or_cryptography() -> None:
    loaded = modules_after("import device_agent.cli.run")
    assert not {"typer", "click", "rich", "structlog", "cryptography", "httpx", "pydantic"} & loaded
    assert {"aiomqtt", "msgspec", "sqlite3"} <= loaded


def test_the_help_of_run_is_dispatched_before_them() -> None:
    loaded = modules_after(
        "sys.argv = ['hub-agent', 'run', '--help']\n"
        "import device_agent.cli\n"
        "try: device_agent.cli.main()\n"
        "except SystemExit as ended: assert ended.code == 0"
    )
    assert not {"typer", "rich"} & loaded
