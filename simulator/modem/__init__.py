r"""The simulated modem: physics in `simulator.radio` and `simulator.uicc`, language here, bytes in `wire`.

modem = SimulatedModem(personality.load("quectel-ec25"), clock=ManualClock(), random=Random(1), card=default_card())
modem.open_port("usb2")
modem.power_on(boot=False)
modem.feed("usb2", b"AT+CGMM\r")
"""

from simulator.modem.device import SimulatedModem, default_card, make_imei
from simulator.modem.personality import Personality, PersonalityError, load, names

__all__ = ["Personality", "PersonalityError", "SimulatedModem", "default_card", "load", "make_imei", "names"]
