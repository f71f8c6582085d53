"""Made-up order exports as Sticky.io delivers them; the same arguments give the same export."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADERS = """
orders_id,created_by,billing_fname,billing_lname,billing_street_address,billing_suburb,billing_city,
billing_state,billing_postcode,billing_country,billing_phone,billing_email,delivery_fname,
delivery_lname,delivery_street_address,delivery_suburb,delivery_city,delivery_state,
delivery_postcode,delivery_country,delivery_phone,delivery_email,shipping_method,shipping_desc,
shipping_group,shipping_group_code,shipping_price,shipping_weight,delivery_confirm,
signature_confirm,non_taxable_amount,taxable_amount,tax_pct,tax_amount,total_amount,order_date,
order_time,tracking_num,campaign_id,customers_id,customer_creation_date,prospects_id,
cc_num_masked,cc_expires,gateway_id,gateway_alias,processing_percent,reserve_percent,
transaction_fee,chargeback_fee,descriptor,customer_service_number,ip_address,order_status,
decline_reason,cascade_flag,orig_gateway,cascade_reason,shipped_date,fraud_flag,fraud_date,
chargeback_flag,chargeback_date,chargeback_user,rma_flag,rma_number,rma_reason,rma_date,rma_user,
return_flag,return_reason,is_recurring,recurring_date,retry_date,installments,transaction_id,
auth_id,retrying,retry_attempt,hold_date,void_flag,void_amount,void_date,void_user,refund_flag,
refund_amount,refund_date,refund_user,afid,sid,affid,c1,c2,c3,bid,aid,opt,rebill_discount,
rebill_depth,parent_order_id,products_id,product_name,product_attributes,shippable_flag,
product_price,product_sku,product_category,products_description,products_quantity,declared_value,
order_confirmed,order_confirmed_date,recurring_prod_id,recurring_prod_name,acquisition_date,
blacklisted_flag,ancestor_id,decline_salvage_discount,salvage_discount_pct,is_test_cc,
cancelled_flag,notes,billing_model_id,fulfillment_number,Click ID,Retries Left,Hold Type ID,
Offer ID,Processor ID
"""
#: The columns, in the order of the files.
HEADER: tuple[str, ...] = tuple(_HEADERS.replace("\n", "").split(","))

_FIRST_DAY = date(2021, 1, 1)
_FIRST_ORDER = 1_000_000
_UPDATES_SINCE = 3  # days
_SECOND_LINES = 0.1  # share of the rows
#: Columns that differ between the lines of an order. It is ASSUMED that `total_amount` is that of
#: the order, so it is not among them: the vendor does not document it.
_OF_LINE = frozenset(
    {
        *("product_name", "product_price", "product_sku", "products_description"),
        *("products_id", "recurring_prod_id"),
    }
)
_STATES = ("TX", "CA", "FL", "NY", "OH", "GA", "WA", "AZ", "", "NC")
_CITIES = ("Springfield", "Riverton", "Lakeside, North", "Fairview", "Maple Grove", "St. Made-Up")
_FIRST = ("Alex", "Sam", "Jordan", "Casey", "Robin", "Kim", "Zoë", "D'Arcy", 'Bob "Bo"')
_LAST = ("Example", "Sample", "Specimen", "Test-Case", "Muster", "O'Fiction", "Placeholder")
_AMOUNTS = ("95", "49", "85", "120", "0", "19", "237", "86")
_STATUSES = {
    "orders-create": ("NEW", "NEW", "NEW", "DECLINED"),
    "orders-update": ("NEW", "DECLINED", "VOID", "REFUNDED", "NEW"),
}
#: By value, the columns that have it in all rows; columns that are not here or below are empty.
_CONSTANTS = {
    "NO": "delivery_confirm signature_confirm fraud_flag chargeback_flag rma_flag return_flag"
    " refund_flag shippable_flag decline_salvage_discount",
    "No": "cancelled_flag",
    "YES": "retrying",
    "NA": "shipping_method rma_number rma_reason",
    "N/A": "retry_date hold_date",
    "None": "recurring_prod_name",
    "0": "shipping_price non_taxable_amount tax_pct tax_amount refund_amount rebill_discount"
    " declared_value salvage_discount_pct",
    "1": "products_quantity",
    "2": "billing_model_id",
    "0.00": "processing_percent",
    "0.25": "transaction_fee",
    "10.00": "reserve_percent",
    "25.00": "chargeback_fee",
    "CCW": "product_category",
    "Initial": "retry_attempt",
    "United States": "billing_country delivery_country",
}
_SAME = {name: value for value, names in _CONSTANTS.items() for name in names.split()}


def export(kind: str, day: date, rows: int, *, seed: int = 713) -> bytes:
    """Write the export of a day.

    Args:
        kind: `orders-create` or `orders-update`.
        day: Day of the orders.
        rows: How many; the newest order first. An order of two products has two.
        seed: Another seed makes other values.

    Returns:
        CSV with CRLF, without a byte order mark.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows(zip(*_columns(kind, day, rows, seed), strict=True))
    return text.getvalue().encode()


def rows_of(kind: str, day: date, rows: int, *, seed: int = 713) -> list[dict[str, str]]:
    """The rows of the export of a day; the arguments are those of `export`."""
    columns = _columns(kind, day, rows, seed)
    return [dict(zip(HEADER, row, strict=True)) for row in zip(*columns, strict=True)]


def key_of(kind: str, day: date, *, seed: int = 713) -> str:
    """The key of the export of a day.

    Args:
        kind: Name of the folder.
        day: Day of the orders.
        seed: Another seed makes another name.

    Returns:
        For example `orders-create/report_2025-12-18T1849_k3x9q2.csv`.
    """
    random = Random(f"{seed}{kind}{day}")  # noqa: S311 - made-up data
    suffix = "".join(random.choices("abcdefghjkmnpqrstuvwxyz23456789", k=6))
    return f"{kind}/report_{day}T{random.randint(0, 23):02}{random.randint(0, 59):02}_{suffix}.csv"


def day_of(key: str) -> str:
    """The first date in a name; empty without one."""
    match = re.search(r"\d{4}-\d{2}-\d{2}", key)
    return match[0] if match else ""


def delivery_time(kind: str, day: date, *, seed: int = 713) -> datetime:
    """When the export of a day is stored (UTC, without a zone): early on the next one.

    Args:
        kind: Name of the folder.
        day: Day of the orders.
        seed: Another seed makes another minute.
    """
    minutes = Random(f"{seed}{kind}{day}stored").randint(300, 500)  # noqa: S311 - made-up data
    return datetime.combine(day, datetime.min.time()) + timedelta(days=1, minutes=minutes)


def _columns(kind: str, day: date, rows: int, seed: int) -> list[Sequence[str]]:
    random = Random(f"{seed}{kind}{day}{rows}")  # noqa: S311 - made-up data

    def pick(*values: str) -> list[str]:
        return random.choices(values, k=rows)

    def numbers(least: int, most: int, form: str = "{}") -> list[str]:
        pool = [form.format(random.randint(least, most)) for _ in range(min(rows, 997))]
        return random.choices(pool, k=rows) if pool else []

    newest = _FIRST_ORDER + ((day - _FIRST_DAY).days + 1) * rows
    amount = pick(*_AMOUNTS)
    first, last, city, state = pick(*_FIRST), pick(*_LAST), pick(*_CITIES), pick(*_STATES)
    street = numbers(1, 9999, "{} Nowhere St, Apt 4")
    post = [*numbers(501, 9999, "{:05}"), *numbers(10000, 99999, "{}-0042")]
    post = random.choices(post, k=rows) if post else []
    phone, email = numbers(0, 99, "55501000{:02}"), numbers(0, 99999, "buyer{}@example.com")
    declined = [f"{reason} REFID:{random.randint(10**8, 10**9)}" for reason in _REASONS]
    status = pick(*_STATUSES[kind])
    ordered = day if kind == "orders-create" else day - timedelta(days=_UPDATES_SINCE)
    product = random.choices(_PRODUCTS, k=rows)
    is_second = [row > 0 and random.random() < _SECOND_LINES for row in range(rows)]
    numbered = [
        str(newest - count) for count in accumulate(int(not second) for second in is_second)
    ]
    address = {
        "fname": first,
        "lname": last,
        "street_address": street,
        "city": city,
        "state": state,
        "postcode": post,
        "phone": phone,
        "email": email,
    }
    columns: dict[str, Any] = {
        **{f"billing_{name}": values for name, values in address.items()},
        **{f"delivery_{name}": values for name, values in address.items()},
        "orders_id": numbered,
        "created_by": pick("", "api user", "Agent Sample", "api user"),
        "taxable_amount": amount,
        "total_amount": amount,
        "order_date": [f"{ordered:%m/%d/%Y}"] * rows,
        "order_time": [
            f"{(n // 60 % 12) or 12:02}:{n % 60:02} {'AM' if n < 720 else 'PM'}"  # noqa: PLR2004
            for n in sorted(random.choices(range(1440), k=rows), reverse=True)
        ],
        "campaign_id": numbers(1, 60),
        "customers_id": pick("0", *numbers(10**5, 10**6)[:50]),
        "customer_creation_date": pick("", f"{ordered:%Y-%m-%d}", "2024-02-29"),
        "prospects_id": pick("0", *numbers(10**5, 10**6)[:50]),
        "cc_num_masked": numbers(0, 9999, "400000******{:04}"),
        "cc_expires": pick("0127", "0928", "1226", "0330"),
        "gateway_id": numbers(1, 40),
        "gateway_alias": pick("Gateway One", "Gateway Two (backup)", "GW-3"),
        "descriptor": pick("EXAMPLE*ORDER", "SAMPLE CO"),
        "customer_service_number": pick("8005550100", "(800) 555-0101"),
        "ip_address": [*pick("192.0.2.17", "198.51.100.200", "2001:db8::7:13", "203.0.113.4")],
        "order_status": status,
        "decline_reason": [
            random.choice(declined) if item == "DECLINED" else "" for item in status
        ],
        "cascade_flag": pick("NO", "NO", "YES"),
        "is_recurring": pick("YES", "NO"),
        "recurring_date": pick("N/A", f"{ordered + timedelta(days=30):%m/%d/%Y}"),
        "transaction_id": pick("0", "Not Available", *numbers(10**9, 10**10)[:200]),
        "auth_id": pick("0", "Not Available", *numbers(10**5, 10**6)[:200]),
        "afid": numbers(1, 300),
        "sid": pick("", "sub-1", "sub-2", "a+b=c"),
        "affid": numbers(1, 300),
        "c1": numbers(16**23, 16**24 - 1, "{:024x}"),
        "rebill_depth": numbers(0, 12),
        "parent_order_id": pick("0", "0", str(_FIRST_ORDER)),
        "products_id": [item[0] for item in product],
        "product_name": [item[1] for item in product],
        "product_price": amount,
        "product_sku": [item[2] for item in product],
        "products_description": [item[3] for item in product],
        "recurring_prod_id": [item[0] for item in product],
        "acquisition_date": pick("", f"{ordered:%m/%d/%Y} 09:41 AM"),
        "blacklisted_flag": pick("NO", "NO", "YES"),
        "ancestor_id": list(numbered),
        "is_test_cc": pick("NO", "NO", "NO", "YES"),
        "Click ID": numbers(16**23, 16**24 - 1, "{:024x}"),
        "Retries Left": numbers(0, 4),
        "Offer ID": numbers(1, 20),
        "Processor ID": pick("", "3", "07"),
    }
    _add_second_lines(columns, is_second)
    return [columns.get(name, [_SAME.get(name, "")] * rows) for name in HEADER]


def _add_second_lines(columns: dict[str, Any], is_second: Sequence[bool]) -> None:
    """Turn rows into further lines of the order before them; three lines are possible."""
    price = columns["product_price"]
    columns["taxable_amount"] = columns["total_amount"] = total = list(price)
    of_order = [columns[name] for name in columns.keys() - _OF_LINE]
    first = 0
    for row, is_line in enumerate(is_second):
        if is_line:
            for values in of_order:
                values[row] = values[first]
            amount = str(int(total[first]) + int(price[row]))
            total[first : row + 1] = [amount] * (row + 1 - first)
        else:
            first = row


_REASONS = ("Do not honor", "Insufficient funds", "Pick up card, no fraud", "Invalid card number")
_PRODUCTS = (
    ("11", "Certificate", "CERT-$95", "Certificate @ $95"),
    ("12", "Certificate, express", "CERT X 1", "Certificate, express @ $120"),
    ("37", "Course", "", "Course @ $85"),
    ("40", "Membership", "MEM 01", ""),
)
