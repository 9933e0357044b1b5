"""Runs the fuzz targets for a bounded time: FUZZ_SECONDS, else 60 in CI and 10 elsewhere."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = [
    b"\x01\x01\x01\r\n+CSQ: 21,99\r\n\r\nOK\r\n",
    b'\x02\x03\x01\r\n+CEREG: 2,1,"1A2B","01234567",7\r\n\r\n+CEREG: 5\r\n\r\nOK\r\n',
    b"\x06\x02\x01\r\n+CMGL: 1,0,,2\r\n00AABB\r\n\r\nOK\r\n",
    b'\x07\x05\x01\r\n+CMGL: 1,"REC READ","+44",,"x"\r\nOK\r\n\r\nOK\r\n',
    b"\x08\x04\x01\r\n> \r\n+CMGS: 5\r\n\r\nOK\r\n",
    b"\x01\x01\x00\r\n+CMEE: 1\r\n\r\n+CFUN: 1\r\n\r\nOK\r\n",
    b"\x08\x04\x01\r\n> \0 \0+CMT :,\t\r\n00\r\nOK\r\n",
    b"\x08\x01\x01\r\n> +CMGS : 5 \r\n\r\nOK\r\n\xff\r\nCONNECT 1\r\n\xff\r\nNO CARRIER\r\n",
    b"\x01\x03\x01\r\nOK\r\n\r\nOK\r\n\xff\r\nOK\r\n\xff\r\nOK\r\n\xff\r\nOK\r\n",
    b'\x01\x07\x01\r\n+CUSD: 0,"a\r\nb",15\r\n\0\0+CME ERROR: SIM busy\r\n',
]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this interpreter")
def test_connection_survives_the_fuzzer(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS):
        (corpus / str(number)).write_bytes(seed)
    seconds = int(os.environ.get("FUZZ_SECONDS", "60" if os.environ.get("CI") else "10"))
    target = Path(__file__).with_name("fuzz_connection.py")
    command = [
        sys.executable,
        str(target),
        str(corpus),
        f"-max_total_time={seconds}",
        "-max_len=2048",
        f"-dict={target.with_name('at.dict')}",
    ]
    run = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"], capture_output=True, text=True, timeout=seconds + 120, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
