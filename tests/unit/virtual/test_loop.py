import asyncio
import os
import subprocess
import sys
import threading

import pytest

from simulator.virtual.loop import VirtualTimeError, run_virtual

ORDER = """
import asyncio
from simulator.virtual.loop import run_virtual
order = []
async def worker(n):
    try:
        await asyncio.sleep(1000)
    finally:
        order.append(n)
async def fail():
    await asyncio.sleep(1)
    raise ValueError
async def main():
    try:
        async with asyncio.TaskGroup() as group:
            for n in range(60):
                group.create_task(worker(n))
            group.create_task(fail())
    except* ValueError:
        pass
    print(order, len(asyncio.all_tasks()))
run_virtual(main())
"""


def test_a_year_passes_at_once() -> None:
    async def main() -> float:
        await asyncio.sleep(365 * 86400)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(365 * 86400)


def test_deadlines_fall_in_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(3600)


def test_executor_jobs_run_inline_and_their_errors_arrive() -> None:
    async def main() -> tuple[int, float]:
        number = await asyncio.to_thread(lambda: threading.get_ident())
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return number, asyncio.get_running_loop().time()

    assert run_virtual(main()) == (threading.get_ident(), 0.0)


def test_waiting_for_what_cannot_come_raises_instead_of_hanging() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(VirtualTimeError, match="cannot come"):
        run_virtual(main())


def test_another_thread_is_refused() -> None:
    async def main() -> list[BaseException]:
        loop, caught = asyncio.get_running_loop(), list[BaseException]()

        def call() -> None:
            try:
                loop.call_soon_threadsafe(print)
            except VirtualTimeError as error:
                caught.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        return caught

    assert len(run_virtual(main())) == 1


def test_task_groups_end_in_the_same_order_in_every_process() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    runs = {
        subprocess.run(
            [sys.executable, "-c", ORDER], capture_output=True, check=True, env=environment, timeout=60
        ).stdout
        for _ in range(3)
    }
    assert len(runs) == 1
