"""The fields of contacts and companies: definitions, values and their list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_FIXED = 16

#: Alias, type and group of built-in and custom fields.
FIELDS: tuple[tuple[str, str, str], ...] = (
    ("title", "lookup", "core"),
    ("firstname", "text", "core"),
    ("lastname", "text", "core"),
    ("company", "text", "core"),
    ("email", "email", "core"),
    ("mobile", "tel", "core"),
    ("points", "number", "core"),
    ("city", "text", "core"),
    ("zipcode", "text", "core"),
    ("country", "country", "core"),
    ("preferred_locale", "locale", "core"),
    ("timezone", "timezone", "core"),
    ("last_active", "datetime", "core"),
    ("attribution", "number", "core"),
    ("website", "url", "core"),
    ("facebook", "text", "social"),
    ("is_member", "boolean", "core"),
    ("interests", "multiselect", "personal"),
    ("birthday", "date", "personal"),
    ("last_order", "datetime", "professional"),
    ("lifetime_value", "number", "professional"),
    ("plan", "select", "professional"),
    ("remarks", "textarea", "personal"),
    # Named like another property of contacts; Mautic itself rejects `tags` and `stage`.
    ("do_not_contact", "text", "personal"),
)
COMPANY_FIELDS: tuple[tuple[str, str, str], ...] = (
    ("companyname", "text", "core"),
    ("companyemail", "email", "core"),
    ("companycity", "text", "core"),
    ("companycountry", "country", "core"),
    ("number_of_employees", "number", "professional"),
    ("annual_revenue", "number", "professional"),
)

#: The value of a field, as SQL over ``n``.
_VALUES = {
    "title": "null",
    "firstname": "iif(n % 10 = 0, null, 'Lead ' || n)",
    "lastname": "iif(n % 10 = 0, null, 'O''Sample & <Söhne> 🙂')",
    "company": "iif(n % 4 = 0, 'Example Ltd ' || (n % 40), null)",
    "email": "iif(n % 10 = 0, null, 'lead' || n || '@example.com')",
    "is_member": "iif(n % 3 = 0, null, n % 2)",
    "interests": "iif(n % 3 = 0, 'sport|travel', iif(n % 3 = 1, 'music', null))",
    "birthday": "iif(n % 50 = 7, '0000-00-00', date('1970-01-01', '+' || (n % 9000) || ' days'))",
    "last_order": "iif(n % 2 = 0, datetime(:now, '-' || (n % 300) || ' hours'), null)",
    "lifetime_value": "round(n * 1.37, 2)",
    "attribution": "0.0",
    "plan": "iif(n % 2 = 0, 'basic', 'pro')",
    "do_not_contact": "'a field of that name'",
    "annual_revenue": "n * 1000.5",
    "number_of_employees": "n % 500",
    "companyname": "'Example Ltd ' || n",
}


#: Values by type, for fields without a value of their own.
_OF_TYPE = {
    "number": "round(n * 0.73, 2)",
    "boolean": "n % 2",
    "date": "date('2020-01-01', '+' || (n % 900) || ' days')",
    "datetime": "datetime(:now, '-' || (n % 900) || ' hours')",
}


def value_of_field(alias: str, kind: str) -> str:
    """The value of a field, as SQL over ``n``, the number of a row.

    Args:
        alias: Alias of the field.
        kind: Type of the field.
    """
    return _VALUES.get(alias) or _OF_TYPE.get(kind, f"'{alias} ' || (n % 13)")


def field_rows(
    contact_fields: Mapping[str, tuple[str, str]], hidden: Collection[str], today: str
) -> list[dict[str, Any]]:
    """The fields of contacts and companies, as their lists show them.

    Args:
        contact_fields: Type and group of the fields of contacts, by alias.
        hidden: Aliases of unpublished fields.
        today: Date of their creation.
    """
    definitions = [
        *(("lead", alias, kind, group) for alias, (kind, group) in contact_fields.items()),
        *(("company", alias, kind, group) for alias, kind, group in COMPANY_FIELDS),
    ]
    return [
        {
            "isPublished": alias not in hidden,
            "dateAdded": f"{today[:10]}T00:00:00+00:00",
            **dict.fromkeys(("createdBy", "createdByUser", "dateModified", "modifiedBy")),
            "modifiedByUser": " ",
            "id": number,
            "label": alias.replace("_", " ").capitalize(),
            "alias": alias,
            "type": kind,
            "group": group,
            "order": number,
            "object": owner,
            "defaultValue": None,
            "isRequired": False,
            "isFixed": number < _FIXED,
            "isListable": True,
            "isVisible": True,
            "isShortVisible": alias == "email",
            "isUniqueIdentifier": alias == "email",
            "isPubliclyUpdatable": False,
            "properties": _PROPERTIES.get(kind, {}),
        }
        for number, (owner, alias, kind, group) in enumerate(definitions, start=1)
    ]


#: The properties of a field, by its type; empty ones are objects, too.
_PROPERTIES: dict[str, dict[str, Any]] = {
    "boolean": {"no": "No", "yes": "Yes"},
    "multiselect": {"list": [{"label": "Sport", "value": "sport"}]},
    "number": {"roundmode": 4, "scale": 2},
    "select": {"list": [{"label": "Basic", "value": "basic"}]},
}
