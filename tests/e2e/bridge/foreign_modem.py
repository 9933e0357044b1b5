"""A modem of a maker nobody here knows, as a program of its own: `python foreign_modem.py MAKER` names its pty.

It shares nothing with this project: its answers are written as makers' public manuals and traces show them. What it
does not know brings its maker's word for an error. Ends when its standard input does.
"""

import os
import select
import sys
import termios
import tty

U_BLOX = {
    "AT": "",
    "ATI": "TOBY-L210-00S-01",
    "AT+CGMI": "u-blox",
    "AT+CGMM": "TOBY-L210",
    "AT+CGMR": "16.19",
    "AT+CGSN": "490154203237518,01",
    "AT+CPIN?": "+CPIN: READY",
    "AT+CCID": "+CCID: 894410003001234567FF",
    "AT+CIMI": "234100000000001",
    "AT+CSQ": "+CSQ: 17,99",
    "AT+CESQ": "+CESQ: 99,99,255,255,18,55",
    "AT+CREG?": '+CREG: 2,1,"1F00","0079D903",6',
    "AT+CEREG?": '+CEREG: 2,1,"1F00","0079D903",7',
    "AT+COPS?": '+COPS: 0,2,"23410",7',
    "AT+COPS=3,2": "",
    "AT+COPS=3,0": "",
    "AT+CGACT?": "+CGACT: 1,1\n+CGACT: 4,0",
    "AT+CGDCONT?": '+CGDCONT: 1,"IP","internet.mnc010.mcc234.gprs","10.1.2.3",0,0\n+CGDCONT: 4,"IPV6","ims","",0,0',
    "AT+CGPADDR=1": '+CGPADDR: 1,"10.1.2.3"',
    "AT+CGCONTRDP=1": '+CGCONTRDP: 1,5,"internet.mnc010.mcc234.gprs","10.1.2.3.255.255.255.0","10.1.2.1","8.8.8.8"',
    "AT+CGATT?": "+CGATT: 1",
    "AT+CCLK?": '+CCLK: "04/01/01,00:01:12+00"',
    "AT+CMEE?": "+CMEE: 0",
    "AT+CFUN?": "+CFUN: 1",
}
TELIT = {
    "AT": "",
    "ATI": "332",
    "AT+CGMI": "Telit\nwww.telit.example\nAll rights reserved",
    "AT+CGMM": "LE910C1-EU\n\nextra line",
    "AT+CGMR": "25.21.660",
    "AT+CGSN": "IMEI: 490154203237518",
    "AT+CPIN?": "+CPIN:READY",
    "AT+ICCID": "ICCID: 8944100030012345678F",
    "AT+CIMI": "#CIMI: 234100000000001",
    "AT+CSQ": "+CSQ:99,99",
    "AT+CREG?": "+CREG: 0, 5",
    "AT+CGREG?": "+CGREG: 0, 5",
    "AT+CFUN?": "+CFUN: 1",
}
NEWS = {
    "u-blox": ["+UUSTS: 1,0", '+UUPSDA: 0,"10.1.2.3"', "+UCGED: 2"],
    "telit": ["#SIMSR: 3", "#QSS: 3", "+WIND: 4", '#PSNT: "open quote'],
}
MAKERS = {"u-blox": U_BLOX, "telit": TELIT}
SLOW = {"AT+CGMI", "AT+CREG?"}
SLOW_S = 0.3


class Foreign:
    """One maker's manners: u-blox echoes in lower case and begins no line, Telit doubles blank lines."""

    def __init__(self, maker: str) -> None:
        self.maker = maker
        self.says = MAKERS[maker]
        self.news = list(NEWS[maker])

    def reply(self, line: str) -> bytes:
        echo = line.lower() + "\r" if self.maker == "u-blox" else ""
        texts = [self._answer(part) for part in self._parts(line)]
        failed = any(text is None or text == "ERROR" for text in texts)
        lines = [info for text in texts if text and text != "ERROR" for info in text.split("\n")]
        lines.append(("ERROR" if self.maker != "telit" else "+CME ERROR: unknown") if failed else "OK")
        if self.news:
            lines.insert(0, self.news.pop())
        around = ("", "\r\n") if self.maker == "u-blox" else ("\r\n\r\n", "\r\n\r\n")
        return (echo + "".join(text.join(around) for text in lines)).encode()

    @staticmethod
    def _parts(line: str) -> list[str]:
        first, *more = line.upper().split(";")
        return [first, *(f"AT{part}" for part in more)]

    def _answer(self, command: str) -> str | None:
        return self.says.get(command)


def main() -> None:
    modem = Foreign(sys.argv[1])
    master, slave = os.openpty()
    tty.setraw(slave, termios.TCSANOW)
    sys.stdout.write(os.ttyname(slave) + "\n")
    sys.stdout.flush()
    heard = b""
    while True:
        ready, _, _ = select.select([master, sys.stdin.fileno()], [], [])
        if master not in ready:
            return
        heard += os.read(master, 4096)
        *lines, heard = heard.split(b"\r")
        for line in lines:
            command = line.decode("latin-1").strip("\n\x1b ")
            if command.upper() in SLOW:
                select.select([], [], [], SLOW_S)
            os.write(master, modem.reply(command))


if __name__ == "__main__":
    main()
