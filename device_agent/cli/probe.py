"""`hub-agent probe`: what is on a serial port, each fact read once."""

from collections.abc import Callable
from typing import Any

from device_agent.observe import read
from firmware_bridge.detect import open_modem
from firmware_bridge.transport import TracingTransport, Transport, open_transport


async def probe(port: str, trace: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Identify modem, SIM, network and signal. Raises BridgeError when there is no modem on the port.

    `trace` is given every exchange as redacted JSON lines, which `open_transport("replay:/file")` plays again.
    """

    def opened(url: str) -> Transport:
        transport = open_transport(url)
        return transport if trace is None else TracingTransport(transport, trace)

    modem = await open_modem([port], open_transport=opened)
    try:
        await modem.initialise()
        who = await read(modem.identity, "identity")
        sim = await read(modem.sim, "sim")
        registration = await read(modem.registration, "registration")
        operator = await read(modem.operator, "operator")
        signal = await read(modem.signal, "signal")
        return {
            "port": port,
            "family": modem.family,
            "manufacturer": who.manufacturer if who else None,
            "model": who.model if who else None,
            "firmware": who.firmware if who else None,
            "imei": who.imei if who else None,
            "sim": str(sim.state) if sim else None,
            "iccid": sim.iccid if sim else None,
            "imsi": sim.imsi if sim else None,
            "registration": registration.state.name.lower() if registration else None,
            "operator": operator.name if operator else None,
            "network": f"{operator.mcc}-{operator.mnc}" if operator and operator.mcc else None,
            "rssi_dbm": signal.rssi_dbm if signal else None,
            "rsrp_dbm": signal.rsrp_dbm if signal else None,
            "rsrq_db": signal.rsrq_db if signal else None,
            "sinr_db": signal.sinr_db if signal else None,
        }
    finally:
        await modem.close()
