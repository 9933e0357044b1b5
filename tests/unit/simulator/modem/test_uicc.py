"""The card: through +CRSM and +CSIM, and by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from simulator.modem import default_card
from simulator.uicc import Subscription, Uicc, encode_imsi, encode_plmn, luhn_digit, swap_nibbles
from tests.unit.simulator.modem.talk import terminal


def test_files_through_crsm() -> None:
    modem = terminal()
    assert modem.value("AT+CRSM=176,12258,0,0,10") == '144,0,"984403000000000000F8"'
    assert modem.value("AT+CRSM=176,28589,0,0,4") == '144,0,"00000002"'
    assert modem.value("AT+CRSM=176,28486,0,0,17").startswith('144,0,"014545')
    assert modem.value("AT+CRSM=176,28423,0,0,9") == '144,0,"082943030000000010"'
    assert modem.value("AT+CRSM=178,28480,1,4,28").startswith('144,0,"FFFF')
    assert modem.value("AT+CRSM=192,28589").startswith("144,0,")
    assert modem.value("AT+CRSM=176,1,0,0,1") == "106,130"


@pytest.mark.parametrize(
    ("access", "status"),
    [
        ("192,1", "106,130"),  # no such file
        ("176,28589,0,0,5", "108,4"),  # a wrong length, and the right one
        ("178,12258,1,4,10", "105,129"),  # a record of a file without records
        ("176,28480,0,0,10", "105,129"),  # and octets of one with them
        ("178,28480,2,4,28", "106,131"),  # no such record
        ("178,28480,0,4,28", "106,131"),
        ("176,12258,9,0,1", "107,0"),  # beyond its end
        ("99,12258", "109,0"),  # no such instruction
    ],
)
def test_what_a_card_answers_to_a_wrong_access(access: str, status: str) -> None:
    assert terminal().value(f"AT+CRSM={access}") == status


def test_what_a_card_answers_to_a_wrong_apdu() -> None:
    modem = terminal()
    assert modem.value('AT+CSIM=10,"00B0000000"') == '4,"6986"'  # nothing is selected
    assert modem.value('AT+CSIM=10,"00FF000000"') == '4,"6D00"'
    assert modem.value('AT+CSIM=4,"00A4"') == '4,"6700"'
    assert modem.value('AT+CSIM=14,"00A40004021234"') == '4,"6A82"'
    assert modem.ask('AT+CSIM=9,"00A400040"') == ["+CME ERROR: 50"]


def test_apdus_select_then_read() -> None:
    modem = terminal()
    assert modem.value('AT+CSIM=14,"00A40004022FE2"').startswith('4,"61')
    assert modem.value('AT+CSIM=10,"00B000000A"') == '24,"984403000000000000F89000"'
    assert modem.value('AT+CSIM=10,"0020000100"') == '4,"63C3"'
    assert modem.ask('AT+CSIM=12,"0020000100"') == ["+CME ERROR: 50"]


def locked() -> Uicc:
    card = default_card()
    card.pin1.enabled = True
    return card


def test_pin_and_puk_counters() -> None:
    modem = terminal(card=locked())
    assert modem.value("AT+CPIN?") == "SIM PIN"
    assert modem.ask("AT+CIMI") == ["+CME ERROR: 11"]
    assert modem.value("AT+CREG?") == "0,0"
    assert modem.ask("AT+CPIN=9999") == ["+CME ERROR: 16"]
    assert modem.value('AT+QPINC="SC"') == '"SC",2,10'
    assert modem.ask("AT+CPIN=9999") == ["+CME ERROR: 16"]
    assert modem.ask("AT+CPIN=9999") == ["+CME ERROR: 12"]
    assert modem.value("AT+CPIN?") == "SIM PUK"
    assert modem.ask("AT+CPIN=00000000,4321") == ["+CME ERROR: 16"]
    assert modem.value('AT+QPINC="SC"') == '"SC",0,9'
    assert modem.ask("AT+CPIN=12345678,4321") == ["OK"]
    assert "+QIND: PB DONE" in modem.pass_time(8)
    assert modem.value("AT+CPIN?") == "READY"
    assert modem.value("AT+CREG?") == "0,1"


def test_a_verified_pin_is_asked_again_after_a_restart_and_counters_stay() -> None:
    card = locked()
    modem = terminal(card=card)
    modem.ask("AT+CPIN=0000")
    modem.ask("AT+CFUN=1,1")
    modem.pass_time(40)
    modem.raw("AT", within=1)
    assert modem.value("AT+CPIN?") == "SIM PIN"
    assert card.pin1.tries == 2
    assert modem.ask("AT+CPIN=1234") == ["OK"]
    assert card.pin1.tries == 3


def test_the_lock_and_its_password() -> None:
    modem = terminal()
    assert modem.value('AT+CLCK="SC",2') == "0"
    assert modem.ask('AT+CLCK="SC",1,"1234"') == ["OK"]
    assert modem.value('AT+CLCK="SC",2') == "1"
    assert modem.ask('AT+CPWD="SC","1234","2468"') == ["OK"]
    assert modem.ask('AT+CLCK="SC",0,"1234"') == ["+CME ERROR: 16"]
    assert modem.ask('AT+CLCK="SC",0,"2468"') == ["OK"]


def test_hot_swap_changes_the_subscriber() -> None:
    modem = terminal()
    modem.ask("AT+QSIMSTAT=1")
    modem.modem.insert_card(None)
    assert "+QSIMSTAT: 1,0\r\n\r\n+CPIN: NOT READY" in modem.pass_time(1).replace("\r\n\r\n\r\n", "\r\n\r\n")
    assert modem.ask("AT+CPIN?") == ["+CME ERROR: 10"]
    assert modem.value("AT+CREG?") == "0,0"
    modem.modem.insert_card(Uicc(Subscription(iccid="8944110000000000002", imsi="234100000000002")))
    assert "+CPIN: READY" in modem.pass_time(10)
    assert modem.value("AT+CIMI") == "234100000000002"
    assert modem.value("AT+COPS?") == '0,0,"O2 - UK",7'


def test_a_switched_off_card_is_a_failure() -> None:
    modem = terminal()
    modem.ask("AT+CFUN=0")
    assert modem.ask("AT+CPIN?") == ["+CME ERROR: 13"]
    modem.ask("AT+CFUN=1")
    assert modem.value("AT+CPIN?") == "READY"


@given(st.text(alphabet="0123456789", min_size=1, max_size=20))
def test_luhn_and_nibbles(digits: str) -> None:
    whole = digits + luhn_digit(digits)
    assert luhn_digit(whole[:-1]) == whole[-1]
    packed = swap_nibbles(digits, (len(digits) + 1) // 2)
    assert "".join(f"{octet & 15:X}{octet >> 4:X}" for octet in packed).rstrip("F") == digits


def test_encodings_of_the_standards() -> None:
    assert encode_plmn("23430").hex() == "32f403"
    assert encode_plmn("310260").hex() == "130062"
    assert encode_imsi("234300000000001").hex() == "082943030000000010"


def test_the_default_card_carries_right_check_digits_and_test_numbers() -> None:
    issued = default_card().subscription
    assert luhn.is_valid(issued.iccid)
    assert len(issued.iccid) == 19
    assert issued.iccid.startswith("8944")
    assert issued.imsi.startswith("23430")
    assert issued.msisdn.startswith("+447700900")  # Ofcom's numbers for drama


def test_a_code_that_is_none_never_reaches_the_card() -> None:
    modem = terminal(card=locked())
    for line in ("AT+CPIN=12", 'AT+CPIN="12ab"', "AT+CPIN=123456789", 'AT+CLCK="SC",1', 'AT+CPWD="SC","1234","99"'):
        assert modem.ask(line) == ["+CME ERROR: 50"]
    assert modem.ask("AT+QPINC?")[0] == '+QPINC: "SC",3,10'


def test_a_wrong_code_does_not_lock_a_running_card_until_it_blocks_it() -> None:
    modem = terminal()
    assert modem.ask('AT+CLCK="SC",1,"1234"') == ["OK"]
    for left in (2, 1):
        assert modem.ask('AT+CPWD="SC","0000","4321"') == ["+CME ERROR: 16"]
        assert modem.ask("AT+QPINC?")[0] == f'+QPINC: "SC",{left},10'
        assert modem.value("AT+CPIN?") == "READY"
    assert modem.value("AT+CREG?") == "0,1"
    assert modem.ask('AT+CLCK="SC",0,"0000"') == ["+CME ERROR: 12"]
    assert modem.value("AT+CPIN?") == "SIM PUK"
    assert modem.value("AT+CREG?") == "0,0"
    assert modem.ask('AT+CLCK="SC",0,"1234"') == ["+CME ERROR: 12"]
    assert modem.ask('AT+CPIN="00000000","1111"') == ["+CME ERROR: 16"]
    assert modem.ask('AT+CPIN="12345678","1111"') == ["OK"]
    modem.pass_time(8)
    assert modem.value("AT+CREG?") == "0,1"
