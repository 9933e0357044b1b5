"""Contexts, addresses, the families' data calls, and counters."""

import ipaddress

from firmware_bridge.modem.parse.bearer import (
    DataCall,
    DynamicParameters,
    PdpContext,
    parse_address,
    parse_cgact,
    parse_cgatt,
    parse_cgcontrdp,
    parse_cgdcont,
    parse_cgpaddr,
    parse_cid_ranges,
    parse_dhcp,
    parse_ndisstat,
    parse_netopen_result,
    parse_netopen_state,
    parse_qcrmcall,
    parse_qiact,
)
from firmware_bridge.modem.parse.counters import RawCounters, parse_dsflowqry, parse_qgdcnt
from tests.unit.bridge.modem_parse.row import FAILS, of_line, table

_V6_DOTTED = "32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1"
_V6_MASK = "255.255.255.255.255.255.255.255.0.0.0.0.0.0.0.0"
_V4 = "10.1.2.3"


def _got(
    address: str | None, prefix: int | None, gateway: str | None, *dns: str, apn: str = "internet"
) -> DynamicParameters:
    return DynamicParameters(1, apn, address, prefix, gateway, dns)


_CONTRDP = [
    (
        '+CGCONTRDP: 1,5,"internet","10.1.2.3.255.255.255.0","10.1.2.1","8.8.8.8","8.8.4.4"',
        (_got(_V4, 24, "10.1.2.1", "8.8.8.8", "8.8.4.4"),),
    ),
    (
        '+CGCONTRDP: 1,5,"internet","10.1.2.3","255.255.255.0","10.1.2.1","8.8.8.8","8.8.4.4"',
        (_got(_V4, 24, "10.1.2.1", "8.8.8.8", "8.8.4.4"),),
    ),
    (
        '+CGCONTRDP: 1,5,"internet","10.1.2.3","10.1.2.1","8.8.8.8","8.8.4.4"',
        (_got(_V4, None, "10.1.2.1", "8.8.8.8", "8.8.4.4"),),
    ),
    ("+CGCONTRDP: 1,5,internet,10.1.2.3,10.1.2.1,8.8.8.8", (_got(_V4, None, "10.1.2.1", "8.8.8.8"),)),
    ('+CGCONTRDP: 1,5,"internet","10.1.2.3",,"8.8.8.8"', (_got(_V4, None, None, "8.8.8.8"),)),
    ('+CGCONTRDP: 1,5,"internet",,,', (_got(None, None, None),)),
    ('+CGCONTRDP: 1,5,"internet"', (_got(None, None, None),)),
    ('+CGCONTRDP: 1,5,"","","","",""', (_got(None, None, None, apn=""),)),
    ('+CGCONTRDP: 1,5,"internet.MNC010.MCC234.GPRS","10.1.2.3"', (_got(_V4, None, None),)),
    (f'+CGCONTRDP: 1,5,"internet","{_V6_DOTTED}.{_V6_MASK}"', (_got("2001:db8::1", 64, None),)),
    (
        f'+CGCONTRDP: 1,5,"internet","{_V6_DOTTED}","254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1","{_V6_DOTTED}"',
        (_got("2001:db8::1", None, "fe80::1", "2001:db8::1"),),
    ),
    ('+CGCONTRDP: 1,5,"internet","2001:db8::1/64","fe80::1"', (_got("2001:db8::1", 64, "fe80::1"),)),
    ('+CGCONTRDP: 1,5,"internet","2001:db8::1 ffff:ffff:ffff:ffff::"', (_got("2001:db8::1", 64, None),)),
    (
        (
            f'+CGCONTRDP: 1,5,"internet","10.1.2.3.255.255.255.255","","8.8.8.8"\n'
            f'+CGCONTRDP: 1,5,"internet","{_V6_DOTTED}.{_V6_MASK}"'
        ),
        (_got(_V4, 32, None, "8.8.8.8"), _got("2001:db8::1", 64, None)),
    ),
    (
        (
            '+CGCONTRDP: 1,5,"internet.mnc001.mcc222.gprs","2.197.17.49.255.255.255.255","2.197.17.49",'
            '"10.207.43.46","10.206.56.132","0.0.0.0","0.0.0.0",0'
        ),
        (_got("2.197.17.49", 32, "2.197.17.49", "10.207.43.46", "10.206.56.132"),),
    ),
    (
        f'+CGCONTRDP: 1,5,"internet","{_V6_DOTTED}","{_V6_MASK}","254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1","{_V6_DOTTED}"',
        (_got("2001:db8::1", 64, "fe80::1", "2001:db8::1"),),
    ),
    ("+CGCONTRDP: 1,5,internet,10.1.2.3/24,10.1.2.1,8.8.8.8", (_got(_V4, 24, "10.1.2.1", "8.8.8.8"),)),
    ('+CGCONTRDP: 1,,"internet","10.1.2.3.255.0.0.0",,"0.0.0.0","8.8.4.4"', (_got(_V4, 8, None, "8.8.4.4"),)),
    ('+CGCONTRDP: 1,5,"internet","10.1.2.3.255.0.255.0","10.1.2.1"', (_got(_V4, None, "10.1.2.1"),)),
    (f'+CGCONTRDP: 1,5,"internet","{_V6_DOTTED}.1"', (_got(None, None, None),)),
    ('+CGCONTRDP: 1,5,"internet","0.0.0.0.0.0.0.0"', (_got(None, None, None),)),
    ('+CGCONTRDP: 1,5,"internet","10.1.2.999"', (_got(None, None, None),)),
    ("", ()),
    ('+CGCONTRDP: x,5,"internet"', FAILS),
]

ROWS = [
    *table(
        parse_cgdcont,
        (
            '+CGDCONT: 1,"IPV4V6","internet","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",0,0,0,0',
            (PdpContext(1, "IPV4V6", "internet"),),
        ),
        ('+CGDCONT: 1,"IP","internet"', (PdpContext(1, "IP", "internet"),)),
        ('+CGDCONT: 1,"IP","",,0,0', (PdpContext(1, "IP", ""),)),
        ('+CGDCONT: 1,"ip","Internet"', (PdpContext(1, "IP", "Internet"),)),
        ('+CGDCONT: 1,"IP","internet.MNC001.MCC214.GPRS"', (PdpContext(1, "IP", "internet"),)),
        ('+CGDCONT: 1,"IP","internet.mnc010.mcc234.gprs"', (PdpContext(1, "IP", "internet"),)),
        (
            '+CGDCONT: 1,"IP","a"\n+CGDCONT: 2,"IPV6","b"',
            (PdpContext(1, "IP", "a"), PdpContext(2, "IPV6", "b")),
        ),
        ("+CGDCONT: 1,IP,internet,,0,0", (PdpContext(1, "IP", "internet"),)),
        ('+CGDCONT: 16,"PPP","x",,0,0,0,0,0,0,0', (PdpContext(16, "PPP", "x"),)),
        ("", ()),
        ('+CGDCONT: "1,","IP"', FAILS),
        ("+CGDCONT:", FAILS),
    ),
    *table(
        parse_cid_ranges,
        ('+CGDCONT: (1-24),"IP",,,(0-2),(0-4)', frozenset(range(1, 25))),
        ('+CGDCONT: (1-17,101-116),"IP"', frozenset([*range(1, 18), *range(101, 117)])),
        ('+CGDCONT: ( 1 ),"IP"', frozenset({1})),
        ('+CGDCONT: (1-3),"IP"\n+CGDCONT: (1-3),"IPV6"', frozenset({1, 2, 3})),
        ('+CGDCONT: (),"IP"', frozenset()),
        ("", frozenset()),
    ),
    *table(
        parse_cgact,
        ("+CGACT: 1,1", {1: True}),
        ("+CGACT: 1,0", {1: False}),
        ("+CGACT:1,1\n+CGACT: 2,0", {1: True, 2: False}),
        ("", {}),
        ("+CGACT: 1", FAILS),
        ("+CGACT: 1,2", FAILS),
        ("+CGACT: ,1", FAILS),
    ),
    *table(
        parse_cgatt,
        ("+CGATT: 1", True),
        ("+CGATT:0", False),
        ("+CGATT: 2", FAILS),
        ("+CGATT:", FAILS),
        ("", FAILS),
    ),
    *table(
        lambda lines: parse_address(lines[0]),
        ("10.1.2.3", ipaddress.IPv4Address("10.1.2.3")),
        ("0.0.0.0", None),
        ("::", None),
        ("0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0", None),
        ("2001:db8::1", ipaddress.IPv6Address("2001:db8::1")),
        ("2001:0DB8:0:0:0:0:0:1", ipaddress.IPv6Address("2001:db8::1")),
        (_V6_DOTTED, ipaddress.IPv6Address("2001:db8::1")),
        ("010.001.002.003", ipaddress.IPv4Address("10.1.2.3")),
        ("10.1.2", None),
        ("10.1.2.256", None),
        ("10.1.2.3.4", None),
        ("internet", None),
        ("-", None),
        ("255", None),
    ),
    *table(
        parse_cgpaddr,
        ('+CGPADDR: 1,"10.1.2.3"', {1: ("10.1.2.3",)}),
        ("+CGPADDR: 1,10.1.2.3", {1: ("10.1.2.3",)}),
        (f'+CGPADDR: 1,"10.1.2.3","{_V6_DOTTED}"', {1: ("10.1.2.3", "2001:db8::1")}),
        (f'+CGPADDR: 1,"{_V6_DOTTED}"', {1: ("2001:db8::1",)}),
        ('+CGPADDR: 1,"2001:db8::1"', {1: ("2001:db8::1",)}),
        ('+CGPADDR: 1,"0.0.0.0"', {1: ()}),
        ('+CGPADDR: 1,"0.0.0.0","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"', {1: ()}),
        (f'+CGPADDR: 1,"10.1.2.3",{_V6_DOTTED}', {1: ("10.1.2.3", "2001:db8::1")}),
        ('+CGPADDR: 1,"10.1.2.3",""', {1: ("10.1.2.3",)}),
        ('+CGPADDR: 1,"","2001:DB8::1"', {1: ("2001:db8::1",)}),
        ('+CGPADDR: 1,"0.0.0.0","254.128.0.0.0.0.0.0.0.1.0.2.144.117.159.3"', {1: ("fe80::1:2:9075:9f03",)}),
        ('+CGPADDR: 1,"10.1.2.3.4"', {1: ()}),
        ('+CGPADDR: 1,""', {1: ()}),
        ("+CGPADDR: 1", {1: ()}),
        ("+CGPADDR: 1,", {1: ()}),
        ('+CGPADDR: 1,"10.1.2.3"\n+CGPADDR: 2,"10.9.9.9"', {1: ("10.1.2.3",), 2: ("10.9.9.9",)}),
        ("", {}),
        ("+CGPADDR: ", FAILS),
    ),
    *table(parse_cgcontrdp, *_CONTRDP),
    *table(
        parse_ndisstat,
        ('^NDISSTAT: 1,,,"IPV4"', (DataCall(True, None, "IPV4"),)),
        ('^NDISSTAT:1,,,"IPV4"', (DataCall(True, None, "IPV4"),)),
        ('^NDISSTAT: 0,33,,"IPV4"', (DataCall(False, 33, "IPV4"),)),
        (
            '^NDISSTATQRY: 1,,,"IPV4",0,,,"IPV6"',
            (DataCall(True, None, "IPV4"), DataCall(False, None, "IPV6")),
        ),
        (
            '^NDISSTATQry: 0,,,"IPV4"\n^NDISSTATQry: 1,,,"IPV6"',
            (DataCall(False, None, "IPV4"), DataCall(True, None, "IPV6")),
        ),
        ("^NDISSTATQry:1", (DataCall(True),)),
        ("^NDISSTATQRY: 0", (DataCall(False),)),
        ('^NDISSTATQRY: 2,,,"IPV4"', (DataCall(False, None, "IPV4"),)),
        ('^NDISSTATQRY: 3,,,"IPV4"', (DataCall(False, None, "IPV4"),)),
        ('^NDISSTATQRY: 1,,,"IPV4",', (DataCall(True, None, "IPV4"),)),
        ('^NDISSTATQRY: 1,,,"IPV4",,,,', (DataCall(True, None, "IPV4"),)),
        ("^NDISSTATQRY: 0,,,", (DataCall(False),)),
        (
            '^NDISSTATQRY: 0,36,,"IPV4",0,33,,"IPV6"',
            (DataCall(False, 36, "IPV4"), DataCall(False, 33, "IPV6")),
        ),
        ('^NDISSTATQRY: 1,,,"IPV4",up,,,"IPV6"', FAILS),
        ("^NDISSTATQRY:", FAILS),
        ("^NDISSTATQRY: up", FAILS),
        ("", FAILS),
    ),
    *table(
        parse_dhcp,
        (
            "^DHCP: CCDB080A,F8FFFFFF,C9DB080A,C9DB080A,2EAD3D0A,2FAD3D0A,150000000,150000000",
            DynamicParameters(1, "", "10.8.219.204", 29, "10.8.219.201", ("10.61.173.46", "10.61.173.47")),
        ),
        (
            "^DHCP:1010A0A,FFFFFF,FE010A0A,FE010A0A,8080808,4040808",
            DynamicParameters(1, "", "10.10.1.1", 24, "10.10.1.254", ("8.8.8.8", "8.8.4.4")),
        ),
        (
            "^DHCP: 0xCCDB080A,0xF8FFFFFF,0xC9DB080A,0xC9DB080A,0x08080808",
            DynamicParameters(1, "", "10.8.219.204", 29, "10.8.219.201", ("8.8.8.8",)),
        ),
        ("^DHCP: 0,0,0,0,0,0", DynamicParameters(1)),
        ("^DHCP: 10A0A0A,0,0", DynamicParameters(1, "", "10.10.10.1")),
        ("^DHCP: 123456789,0,0", DynamicParameters(1)),
        ("^DHCP: CCDB080A", FAILS),
        ("^DHCP: no,no,no", FAILS),
        ("", FAILS),
    ),
    *table(
        parse_qiact,
        ('+QIACT: 1,1,1,"10.7.157.1"', {1: (True, "10.7.157.1")}),
        ('+QIACT: 1,0,1,"0.0.0.0"', {1: (False, None)}),
        ("+QIACT: 1,1,1", {1: (True, None)}),
        ("", {}),
        ("+QIACT: 1", FAILS),
    ),
    *table(
        parse_qcrmcall,
        ("$QCRMCALL: 1,V4", (DataCall(True, None, "IPV4"),)),
        ("$QCRMCALL: 1, V4", (DataCall(True, None, "IPV4"),)),
        ("$QCRMCALL: 1,4", (DataCall(True, None, "IPV4"),)),
        ("$QCRMCALL: 1,V4\n$QCRMCALL: 1,V6", (DataCall(True, None, "IPV4"), DataCall(True, None, "IPV6"))),
        ("$QCRMCALL: 0,V4", (DataCall(False, None, "IPV4"),)),
        ("$QCRMCALL: 1", (DataCall(True),)),
        ("$QCRMCALL: ,", (DataCall(False),)),
        ("", ()),
    ),
    *table(
        parse_netopen_state,
        ("+NETOPEN: 1,0", True),
        ("+NETOPEN: 1", True),
        ("+NETOPEN: 0", False),
        ("+NETOPEN: 0,0", False),
        ("+NETOPEN: 4", FAILS),
        ("", FAILS),
    ),
    *table(
        of_line(parse_netopen_result),
        ("+NETOPEN: 0", 0),
        ("+NETOPEN: 1", 1),
        ("+NETOPEN:4", 4),
        ("+NETCLOSE: 0", 0),
        ("+NETOPEN: ", None),
    ),
    *table(
        parse_qgdcnt,
        ("+QGDCNT: 237505722,614994307", RawCounters(tx_bytes=237505722, rx_bytes=614994307)),
        ("+QGDCNT: 0,0", RawCounters(0, 0)),
        ("+QGDCNT:3832,4618", RawCounters(3832, 4618)),
        ("+QGDNRCNT: 1,2", RawCounters(1, 2)),
        ("+QGDCNT: 18446744073709551615,1", RawCounters(18446744073709551615, 1)),
        ("+QGDCNT: 1", FAILS),
        ("+QGDCNT: 1,2,3", FAILS),
        ("+QGDCNT: -1,2", FAILS),
        ("+QGDCNT: 1F,2A", FAILS),
        ("", FAILS),
    ),
    *table(
        parse_dsflowqry,
        (
            "^DSFLOWQRY:00000E8E,0000000000333ACC,000000000A93E9AD,007B3514,000000007C0E5F69,00000007AD1AE9C6",
            RawCounters(tx_bytes=0x7C0E5F69, rx_bytes=0x7AD1AE9C6),
        ),
        (
            "^DSFLOWQRY:\n00000E8E,0000000000333ACC,000000000A93E9AD,007B3514,000000007C0E5F69,00000007AD1AE9C6",
            RawCounters(tx_bytes=0x7C0E5F69, rx_bytes=0x7AD1AE9C6),
        ),
        (
            "^DSFLOWQRY: 00000000,0000000000000000,0000000000000000,00000000,0000000000000010,0000000000000020",
            RawCounters(16, 32),
        ),
        ("^DSFLOWQRY: 00000E8E,0000000000333ACC", FAILS),
        ("^DSFLOWQRY: 1,2,3,4,5,6", FAILS),
        ("^DSFLOWQRY:", FAILS),
        ("^DSFLOWRPT:00000E8E,0,0,0,0,0,0", FAILS),
    ),
]
