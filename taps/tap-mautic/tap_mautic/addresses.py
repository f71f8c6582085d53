"""The address of an instance, whichever of its pages was copied from the browser."""

from __future__ import annotations

import re

#: The first part after ``/s/`` in the addresses of Mautic's pages: the routes of its bundles in
#: versions 4 to 7.
_PAGES = (
    *("account", "action", "ajax", "assets", "calendar", "campaign", "campaigns", "categories"),
    *("channels", "companies", "company", "config", "contacts", "credentials", "dashboard", "dwc"),
    *("emails", "file", "focus", "forms", "fullcontact", "grapesjsbuilder", "integration"),
    *("login", "login_check", "logout", "marketplace", "messages", "mobile_notifications"),
    *("monitoring", "notifications", "pages", "plugin", "plugins", "points", "projects", "queues"),
    *("reports", "roles", "saml", "segment", "segments", "sms", "sso_login", "sso_login_check"),
    *("stages", "sysinfo", "tags", "themes", "tweets", "update", "users", "webhooks"),
)
_PAGE = re.compile(rf"^(.*)/s/(?:{'|'.join(_PAGES)})(?:/[^?#]*)?(?:[?#].*)?$")
_ENTRY = re.compile(r"(/index\.php)?(/api)?$")


def remove_page(address: str) -> str:
    """Remove a page of Mautic's from an address, such as ``/s/contacts/view/3``.

    A folder named ``s`` stays (``https://example.com/s/mautic``): only a page that Mautic has is
    removed, and only from the last ``/s/`` on.

    Args:
        address: The address that the settings have.
    """
    match = _PAGE.match(address.strip())
    return match[1] if match else address


def remove_entry_point(address: str) -> str:
    """Remove ``/index.php`` and ``/api`` from an address: the tap adds them.

    Args:
        address: An address without a slash at its end.
    """
    return _ENTRY.sub("", address)
