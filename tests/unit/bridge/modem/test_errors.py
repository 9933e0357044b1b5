"""The tree of errors: one root, a remedy on each, one line for a person."""

import inspect
import pkgutil
from importlib import import_module

import pytest

import firmware_bridge
from firmware_bridge import errors
from firmware_bridge.errors import BridgeError, Remedy

PUBLIC = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, Exception)]


def _defined_anywhere() -> set[type]:
    names = [module.name for module in pkgutil.walk_packages(firmware_bridge.__path__, "firmware_bridge.")]
    modules = [import_module(name) for name in names]
    return {
        found
        for module in modules
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception) and found.__module__.startswith("firmware_bridge")
    }


@pytest.mark.parametrize("error", PUBLIC, ids=lambda error: error.__name__)
def test_every_error_is_of_the_tree_and_says_what_to_do(error: type[BridgeError]) -> None:
    assert issubclass(error, BridgeError)
    assert isinstance(error.remedy, Remedy)
    assert error.__doc__


def test_no_module_of_the_room_has_an_error_outside_the_tree() -> None:
    assert all(issubclass(error, BridgeError) for error in _defined_anywhere())


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (errors.PortNotFoundError("ttyUSB2", "gone"), Remedy.WAIT),
        (errors.PortBusyError("ttyUSB2", "held"), Remedy.FIX_SETUP),
        (errors.PortLostError("ttyUSB2", "hung up"), Remedy.RECOVER),
        (errors.CommandError("AT+CSQ", kind="+CME ERROR", code=30), Remedy.RETRY),
        (errors.UnsupportedError("AT+QTEMP"), Remedy.GIVE_UP),
        (errors.CommandTimeoutError("AT+CSQ", 3), Remedy.RETRY),
        (errors.ModemRebootedError("AT+CSQ", "RDY"), Remedy.WAIT),
        (errors.ModemSilentError("ttyUSB2", 4), Remedy.RECOVER),
        (errors.ReplyError("AT+CSQ", "x", "no rssi"), Remedy.RETRY),
        (errors.SimError("the SIM is absent"), Remedy.REPLACE_SIM),
        (errors.HostToolError("nft", "missing"), Remedy.FIX_SETUP),
    ],
)
def test_what_a_caller_should_do_is_data(error: BridgeError, remedy: Remedy) -> None:
    assert error.remedy is remedy
    assert str(error)
    assert "\n" not in str(error)
