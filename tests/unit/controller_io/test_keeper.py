import asyncio
import random

from controller.link.keeper import Keeper
from controller.link.port import Link, LinkLostError, LinkRefusedError, LinkUnreachableError
from simulator.virtual.loop import run_virtual
from simulator.virtual.mqtt import LinkErrors, MemoryBroker, MemoryLinkPort

ERRORS = LinkErrors(refused=LinkRefusedError, unreachable=LinkUnreachableError, lost=LinkLostError)


async def serve(link: Link) -> None:
    async for delivery in link.deliveries():
        delivery.settle()


def make(broker: MemoryBroker) -> Keeper:
    return Keeper(
        MemoryLinkPort(broker, ERRORS),
        client_id="controller",
        subscriptions=["t"],
        session_expiry_s=60,
        random=random.Random(1),
    )


def test_a_lost_link_is_opened_again_and_its_state_is_shown() -> None:
    async def play() -> list[str]:
        broker = MemoryBroker()
        keeper, words = make(broker), []
        task = asyncio.create_task(keeper.run(serve))
        words.append(keeper.state.word)
        await keeper.wait()
        words.append(keeper.state.word)
        broker.restart(keep_store=False)
        await asyncio.sleep(0.05)
        words.append(keeper.state.word)
        await keeper.wait()
        words.append(keeper.state.word)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return words

    assert run_virtual(play()) == ["connecting", "connected", "lost", "connected"]


def test_a_broker_that_is_away_is_waited_for_with_back_off() -> None:
    async def play() -> tuple[str, float, float]:
        broker = MemoryBroker()
        broker.available = False
        keeper = make(broker)
        task = asyncio.create_task(keeper.run(serve))
        await asyncio.sleep(3600)
        word = keeper.state.word
        broker.available = True
        begun = asyncio.get_running_loop().time()
        await keeper.wait()
        found = asyncio.get_running_loop().time()
        broker.restart(keep_store=True)
        await asyncio.sleep(0.05)
        await keeper.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return word, found - begun, asyncio.get_running_loop().time() - found

    word, waited, again = run_virtual(play())
    assert word == "unreachable"
    assert waited <= 15.1
    # What was waited for once is not held against the broker.
    assert again < 0.5


def test_a_refusal_is_shown_as_one() -> None:
    async def play() -> tuple[str, str, float]:
        broker = MemoryBroker()
        broker.refuse.add("controller")
        keeper = make(broker)
        task = asyncio.create_task(keeper.run(serve))
        await asyncio.sleep(10)
        shown = keeper.state
        broker.refuse.clear()
        await keeper.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return shown.word, shown.detail, asyncio.get_running_loop().time()

    word, detail, connected = run_virtual(play())
    assert word == "refused"
    assert detail
    # A person has to do something first: it asks seldom.
    assert 15 <= connected <= 31
