"""Descriptions of tables and columns, for the catalog and the tables' comments.

Sticky.io's export has no public documentation. Meanings are those of its API's fields
(https://developer-prod.sticky.io), formats are those seen in exports.
"""

from __future__ import annotations

from signalroom_singer import Descriptions

_FILES = {
    "_file_name": "The bucket, a slash, and the file's key",
    "_file_etag": "Version of the file",
    "_file_last_modified": "When that version was stored (UTC)",
    "bucket": "The bucket",
    "key": "The file's key in the bucket",
}

_ORDERS = {
    "orders_id": "Sticky.io's order number; an order of several products is several rows",
    "created_by": "Who entered the order; may be blank",
    "billing_suburb": "Second line of the billing address",
    "delivery_suburb": "Second line of the delivery address",
    "billing_postcode": "Postal code, with leading zeros",
    "delivery_postcode": "Postal code, with leading zeros",
    "billing_country": "Country by its English name",
    "delivery_country": "Country by its English name",
    "billing_email": "The customer's e-mail address",
    "shipping_price": "What the customer pays for shipping",
    "tax_pct": "Tax rate in percent",
    "tax_amount": "Tax that was charged",
    "total_amount": "Amount of the order or of the row's product: not documented by Sticky.io",
    "order_date": "Day of the order, MM/DD/YYYY, in the account's time zone",
    "order_time": "Time of the order, such as 03:15 PM, in the account's time zone",
    "tracking_num": "Tracking number of the shipment",
    "campaign_id": "Sticky.io's id of the campaign",
    "customers_id": "Sticky.io's id of the customer; 0 if there is none",
    "customer_creation_date": "Day on which the customer was created, YYYY-MM-DD",
    "prospects_id": "Sticky.io's id of the prospect; 0 if there is none",
    "cc_num_masked": "Masked card number",
    "cc_expires": "Expiry month and year of the card, with a leading zero",
    "gateway_id": "Sticky.io's id of the payment gateway",
    "gateway_alias": "Name of the payment gateway",
    "processing_percent": "Processing fee of the gateway in percent",
    "reserve_percent": "Reserve that the gateway withholds, in percent",
    "transaction_fee": "Fee of the gateway per transaction",
    "chargeback_fee": "Fee of the gateway per chargeback",
    "descriptor": "Text on the customer's card statement",
    "ip_address": "IP address from which the order came",
    "order_status": "Such as NEW, DECLINED, VOID or REFUNDED, when the file was written",
    "decline_reason": "Why the payment was declined, in the gateway's words",
    "cascade_flag": "YES if the payment was tried through another gateway",
    "orig_gateway": "Gateway that was tried first, if it was another one",
    "shipped_date": "Day on which it was shipped",
    "fraud_flag": "YES if it was marked as fraud",
    "chargeback_flag": "YES if there was a chargeback",
    "rma_flag": "YES if a return was authorized",
    "rma_number": "Number of the return authorization; NA if there is none",
    "return_flag": "YES if it was returned",
    "is_recurring": "YES if it renews",
    "recurring_date": "Day of the next renewal, MM/DD/YYYY; N/A if there is none",
    "retry_date": "Day on which a declined payment is tried again; N/A if it is not",
    "transaction_id": "The gateway's id of the transaction",
    "auth_id": "The gateway's authorization code",
    "retry_attempt": "Which attempt the payment is; Initial for the first",
    "hold_date": "Day since which the renewal is on hold; N/A if it is not",
    "void_flag": "YES if the payment was voided",
    "void_amount": "Amount that was voided",
    "refund_flag": "YES if money was refunded",
    "refund_amount": "Amount that was refunded",
    "afid": "Affiliate id that came with the order (AFID)",
    "sid": "Sub-affiliate id that came with the order (SID)",
    "affid": "Affiliate id that came with the order (AFFID)",
    "aid": "Affiliate id that came with the order (AID)",
    "opt": "Sub-affiliate id that came with the order (OPT)",
    "c1": "Sub-affiliate id that came with the order (C1); often the tracker's click id",
    "c2": "Sub-affiliate id that came with the order (C2)",
    "c3": "Sub-affiliate id that came with the order (C3)",
    "click_id": "Click id that came with the order, for postbacks to the tracker",
    "rebill_discount": "Discount on renewals",
    "rebill_depth": "Which renewal it is; 0 for the first order",
    "parent_order_id": "The order that it renews: `orders_id`; 0 if none",
    "ancestor_id": "The first order of the subscription: `orders_id`",
    "products_id": "Sticky.io's id of the product",
    "product_name": "Name of the product",
    "product_price": "Price of the product",
    "product_sku": "SKU of the product",
    "products_quantity": "How many of the product",
    "shippable_flag": "Whether the product is shipped",
    "recurring_prod_id": "Product of the next renewal",
    "recurring_prod_name": "Name of the product of the next renewal; None if there is none",
    "acquisition_date": "When the customer was acquired, MM/DD/YYYY hh:mm AM",
    "blacklisted_flag": "YES if the customer is blacklisted",
    "is_test_cc": "YES for orders with a test card",
    "cancelled_flag": "Yes if it was cancelled",
    "salvage_discount_pct": "Discount in percent with which a declined payment was saved",
    "notes": "Notes on the order",
    "retries_left": "Attempts that are left for a declined payment",
    "offer_id": "Sticky.io's id of the offer",
    "billing_model_id": "Sticky.io's id of the billing model: how often it renews",
}

DESCRIPTIONS = Descriptions(
    {
        "files": "The files that were read: a row for each version of a file",
        "orders_create": "Rows of the files below `orders-create/`: new orders",
        "orders_update": "Rows of the files below `orders-update/`: orders that changed",
        "prospects_create": "Rows of the files below `prospects-create/`",
    },
    # By table: in a table of another name a header such as `offer_id` is something else.
    {
        **{f"files.{name}": text for name, text in _FILES.items()},
        **{
            f"{table}.{name}": text
            for table in ("orders_create", "orders_update")
            for name, text in _ORDERS.items()
        },
    },
)
