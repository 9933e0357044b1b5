"""Phonebooks (TS 27.007 clauses 8.11 to 8.14), as gnokii and gammu read them."""

from tests.unit.simulator.modem.talk import terminal


def test_an_empty_phonebook_is_no_error_and_an_index_beyond_its_end_is() -> None:
    modem = terminal()
    modem.ask("ATE0")
    assert modem.raw("AT+CPBS?") == '\r\n+CPBS: "SM",0,250\r\n\r\nOK\r\n'
    assert modem.raw("AT+CPBR=1,250") == "\r\nOK\r\n"
    assert modem.ask("AT+CPBR=1,251") == modem.ask("AT+CPBR=0") == modem.ask("AT+CPBR=3,2") == ["+CME ERROR: 21"]
    assert modem.value("AT+CPBR=?") == "(1-250),40,14"


def test_entries_are_written_found_and_deleted_and_stay_on_the_card() -> None:
    modem = terminal()
    assert modem.ask('AT+CPBW=,"+447700900123",145,"Line test"')[-1] == "OK"
    assert modem.ask('AT+CPBW=7,"0800800150",129,"Help"')[-1] == "OK"
    assert modem.ask("AT+CPBR=1,250") == [
        '+CPBR: 1,"+447700900123",145,"Line test"', '+CPBR: 7,"0800800150",129,"Help"', "OK",
    ]  # fmt: skip
    assert modem.ask('AT+CPBF="LINE"') == ['+CPBF: 1,"+447700900123",145,"Line test"', "OK"]
    assert modem.ask('AT+CSCS="UCS2";+CPBR=7') == ['+CPBR: 7,"0800800150",129,"00480065006C0070"', "OK"]
    assert modem.ask('AT+CSCS="IRA";+CPBW=7') == ["OK"]
    card = modem.modem.slot
    modem.modem.insert_card(None)
    assert modem.ask("AT+CPBR=1")[-1] == "+CME ERROR: 10"
    modem.modem.insert_card(card)
    modem.pass_time(3)
    assert modem.value("AT+CPBS?") == '"SM",1,250'


def test_each_store_has_its_own_entries_and_limits() -> None:
    modem = terminal()
    own = modem.value("AT+CNUM").split(",")[1]
    modem.ask('AT+CPBS="ON"')
    assert modem.ask("AT+CPBR=1") == [f'+CPBR: 1,{own},145,""', "OK"]
    assert modem.ask('AT+CPBW=1,"1",129,"x"') == ["+CME ERROR: 3"]
    modem.ask('AT+CPBS="EN"')
    assert '+CPBR: 2,"999",129,""' in modem.ask("AT+CPBR=1,10")
    assert modem.ask('AT+CPBS="XX"') == ["+CME ERROR: 50"]
    modem.ask('AT+CPBS="ME"')
    for place in range(1, 251):
        modem.modem.feed("first", f'AT+CPBW={place},"1",129,"x"\r'.encode())
        modem.pass_time(0.1)
    assert modem.ask('AT+CPBW=,"1",129,"x"') == ["+CME ERROR: 20"]
    assert modem.ask(f'AT+CPBW=1,"{"1" * 41}",129,"x"') == ["+CME ERROR: 26"]
    assert modem.ask('AT+CPBW=1,"1",129,"fifteen letters"') == ["+CME ERROR: 24"]
