from firmware_bridge.modem.generic import Modem
from firmware_bridge.types import AccessTechnology, Identity, RegistrationState, Signal, SimState
from tests.unit.bridge.modem.scripted import Scripted, drive

IMEI = "490154203237518"
ANSWERS = {
    "ATI": "Quectel\nEC25\nRevision: EC25EFAR06A03M4G",
    "AT+CGMI": "Quectel",
    "AT+CGMM": "EC25",
    "AT+CGMR": "EC25EFAR06A03M4G",
    "AT+CGSN": IMEI,
    "AT+QCCID": "+QCCID: 8944100030012345678F",
    'AT+QPINC="SC"': '+QPINC: "SC",3,10',
    "AT+CIMI": "234100000000001",
    "AT+CEREG?": '+CEREG: 3,1,"1F00","79D903",7',
    "AT+CRSM=176,28589,0,0,4": '+CRSM: 144,0,"00000002"',
}


def test_identity_and_sim_and_registration() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.initialise()
        assert await modem.identity() == Identity("Quectel", "EC25", "EC25EFAR06A03M4G", IMEI)
        sim = await modem.sim()
        assert (sim.state, sim.iccid, sim.imsi, sim.mnc_length) == (
            SimState.READY,
            "8944100030012345678",
            "234100000000001",
            2,
        )
        found = await modem.registration()
        assert (found.state, found.tac, found.technology) == (RegistrationState.HOME, 0x1F00, AccessTechnology.E_UTRAN)
        assert (await modem.signal()).rssi_dbm == -71

    drive(ANSWERS, scenario)


def test_levels_of_a_radio_belong_to_every_service_on_it() -> None:
    """+QNWINFO says HSPA+ where +QCSQ says WCDMA: one radio, two words. LTE's levels are another radio's."""

    async def scenario(modem: Modem, port: Scripted) -> None:
        assert await modem.signal() == Signal(-67, technology=AccessTechnology.HSPA, earfcn=10713)
        port.says["AT+QCSQ"] = '+QCSQ: "LTE",-60,-90,150,-12'
        assert await modem.signal() == Signal(-71, technology=AccessTechnology.HSPA, earfcn=10713)

    words = {'AT+QENG="servingcell"': "ERROR", "AT+QNWINFO": '+QNWINFO: "HSPA+","23430","WCDMA 2100",10713'}
    drive({**words, "AT+QCSQ": '+QCSQ: "WCDMA",-67,-72,-5'}, scenario)
