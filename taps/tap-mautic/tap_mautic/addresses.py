"""The address of an instance, from whatever page of it was copied from the browser."""

from __future__ import annotations

import re

#: What follows ``/s/`` in the addresses of Mautic's own pages: the routes of its bundles, 4 to 7.
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


def without_page(address: str) -> str:
    """Cut the page off an address, where it is one of Mautic's: ``/s/contacts/view/3``.

    A folder of that name is left as it is (``https://example.com/s/mautic``): what follows has to
    be a page that Mautic has, and only the last such place counts.

    Args:
        address: As configured.
    """
    match = _PAGE.match(address.strip())
    return match[1] if match else address


def without_entry(address: str) -> str:
    """Cut off what the tap adds itself: ``/index.php`` and ``/api``.

    Args:
        address: Without a slash at its end.
    """
    return _ENTRY.sub("", address)
