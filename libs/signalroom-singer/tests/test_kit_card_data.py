"""Card data: which columns have it by their names, and which values of them are it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalroom_singer.privacy.card_data import (
    CardColumn,
    card_column,
    is_card_number,
    is_security_code,
)

CODES = [
    "cvv",
    "CVV",
    "cvv2",
    "Cvv2",
    "CVV2",
    "cvc",
    "CVC2",
    "ccv",
    "cc_cvv",
    "card_cvv",
    "cardCvv",
    "billingCvv",
    "CardCVV",
    "card-cvv",
    "CVV/CVC",
    "cvvCode",
    "cvv_number",
    "cc_cid",
    "card_security_code",
    "cardSecurityCode",
    "cardcvv",
    "card_verification_value",
    "CARD-VERIFICATION-NUMBER",
    "cvv_1",
]
PERHAPS_CODES = ["security_code", "Security Code", "securityCode", "SECURITY-CODE", "csc"]
NUMBERS = [
    "card_number",
    "cardNumber",
    "CARD-NUMBER",
    "cc_number",
    "ccNumber",
    "ccnum",
    "cc_num",
    "CCNUM",
    "credit_card",
    "CreditCard",
    "creditCardNumber",
    "credit-card-no",
    "pan",
    "PAN",
    "card",
    "cc",
    "cardnumber",
    "billing_card_number",
    "billingCardNumber",
    "customer_card",
    "payment_method_card_number",
    "kreditkartennummer",
    "cc_num_masked",
]
OTHERS = [
    "cvv_result",
    "cvvResult",
    "has_cvv",
    "is_cvv_required",
    "cvv_match",
    "order_id",
    "order_number",
    "account_number",
    "tracking_num",
    "card_id",
    "cardId",
    "card_type",
    "cc_type",
    "gift_card_number",
    "sim_card_number",
    "loyaltyCardNumber",
    "card_token",
    "card_number_hash",
    "credit_card_brand",
    "scorecard",
    "discard",
    "pancake",
    "company",
    "japan",
    "carrier_code",
    "cid",
    "campaign_id",
    "verification_code",
    "is_test_cc",
    "country",
    "zip_code",
    "c1",
    "card_holder",
    "customer_service_number",
    "processor_id",
]
FRAGMENTS = [
    "cc_expires",
    "card_exp_month",
    "cc_first_6",
    "cc_last_4",
    "card_last4",
    "last_four",
    "ccexp",
    "check_account_last_4",
    "check_ssn_last_4",
]


@pytest.mark.parametrize(
    ("names", "kind"),
    (
        (CODES, CardColumn.CODE),
        (PERHAPS_CODES, CardColumn.PERHAPS_CODE),
        ([*NUMBERS, "Card #", "Card No.", "Credit Card Number", " card  number "], "number"),
        (FRAGMENTS, CardColumn.FRAGMENT),
        (OTHERS, None),
    ),
)
def test_columns_go_by_their_names(names, kind):
    assert {name: card_column(name) for name in names} == dict.fromkeys(names, kind)


@pytest.mark.parametrize(
    "value",
    (
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        " 4111.1111.1111.1111 ",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111\u20111111\u20111111\u20111111",
        "'4111111111111111",
        '="4111111111111111"',
        "4,111,111,111,111,111",
        "4111111111111111.0",
        "\uff14\uff11\uff11\uff11111111111111",
        "Visa 4111 1111 1111 1111 12/27",
        "378282246310005",
        "4222222222222",
        "6304000000000000000",
        "4.111111111111111E+15",
        4111111111111111,
        4.111111111111111e15,
        Decimal(4111111111111111),
        # A spreadsheet keeps 15 digits: the last one can be computed.
        4111111111111110,
        "4.11111111111111E+15",
        6011000990139420000,
    ),
)
def test_numbers_that_are_not_masked(value):
    assert is_card_number(value)


@pytest.mark.parametrize(
    "value",
    (
        "411111******1111",
        "4111 11** **** 1111",
        "xxxxxxxxxxxx1111",
        "XXXX-XXXX-XXXX-1111",
        "411111XXXXXX1111",
        "•••• •••• •••• 1111",
        "1111",
        "411111",
        "4111111111111112",
        "0000000000000000",
        "411111111111",
        "41111111111111111111",
        "ABCDE1234F",
        "tok_4111111",
        "4.11111E+15",
        "",
        None,
        True,
        12.5,
        1111,
        float("inf"),
        Decimal("-Infinity"),
        float("nan"),
        Decimal("sNaN"),
        "4.1E+99999999999999999999",
    ),
)
def test_what_is_masked_or_another_number_is_not_one(value):
    assert not is_card_number(value)


@given(st.text("0123456789", min_size=11, max_size=17), st.sampled_from(["", " ", "-"]))
def test_each_number_with_its_check_digit_is_one_and_no_other(digits, between):
    body = f"4{digits}"
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body))]
    check = -sum(one - 9 if one > 9 else one for one in doubled) % 10
    found = [is_card_number(between.join(f"{body}{last}")) for last in range(10)]
    assert found == [last == check for last in range(10)]


def test_codes_with_a_name_that_means_nothing_else():
    out = ["123", "0123", " 123 ", "'123", "cvv: 123", "7", 7, 123, "123.0", "1a2b"]
    assert all(is_security_code(value, CardColumn.CODE) for value in out)
    kept = ["", None, "M", "***", "xxx", "N/A", "match", True]
    assert not any(is_security_code(value, CardColumn.CODE) for value in kept)


def test_codes_that_may_be_of_something_else():
    out = ["123", "0123", " 123 ", "'123", 123, 12]
    assert all(is_security_code(value, CardColumn.PERHAPS_CODE) for value in out)
    kept = ["", None, "ABC", "US0378331005", "A12", "12345", "12", 98765, "***"]
    assert not any(is_security_code(value, CardColumn.PERHAPS_CODE) for value in kept)
