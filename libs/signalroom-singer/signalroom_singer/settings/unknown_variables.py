"""Finds environment variables that look like a plugin's settings but are not, as after a typo.

``TAP_EVERFLOW_TIM_ZONE`` has no effect: days would be those of the default zone, without a warning.
"""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

from signalroom_singer.settings.text_values import did_you_mean, types_of
from signalroom_singer.settings.variables import Origin, upper

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from signalroom_singer.settings.variables import Naming

#: Variables that the SDK reads besides settings.
_SDK = ("LOGLEVEL",)
#: Variables that Meltano reads, each after two underscores: https://docs.meltano.com/concepts/plugins
_EXTRAS = (
    *("CATALOG", "LOAD_SCHEMA", "METADATA", "SCHEMA", "SELECT", "SELECT_FILTER", "STATE"),
    *("DIALECT", "TARGET_SCHEMA", "USE_CACHED_CATALOG"),
)
#: The similarity of names that mean the same: one letter or underscore in ten differs.
_SAME = 0.88


def unknown_variables(naming: Naming, config: Collection[str] = ()) -> Iterator[str]:
    """Find variables with the plugin's prefix that are not settings.

    Variables of other plugins whose names begin like this one's are not found: those of
    ``tap-everflow-eu`` end like a setting of ``tap-everflow``, and those of an inherited plugin
    have two underscores.

    Args:
        naming: The naming of the plugin's settings.
        config: The names of the settings that were passed: Meltano makes a variable of each.

    Yields:
        A sentence for each, with a similar name if there is one. Values are never shown.
    """
    if naming.origin is Origin.FILE:
        return
    own = f"{upper(naming.instance or naming.plugin)}_"
    # A plugin that inherits reads its parent's variables too.
    prefixes = tuple({own: None, f"{upper(naming.plugin)}_": None})
    suffixes = {*_SDK, *(upper(setting) for setting in (*naming.properties, *config))}
    within = tuple(
        f"{upper(setting)}_"
        for setting, declared in naming.properties.items()
        if "object" in types_of(declared)
    )
    for name in sorted(os.environ):
        prefix = next((candidate for candidate in prefixes if name.startswith(candidate)), None)
        if prefix is None:
            continue
        suffix = name.removeprefix(prefix)
        if suffix in suffixes or suffix.startswith(within) or "__" in f"_{suffix}":
            continue
        # It belongs to a plugin whose name begins with this one's.
        if any(suffix.endswith(f"_{candidate}") for candidate in suffixes):
            continue
        hint = (
            f" (did you mean {prefix}_{suffix}?)"
            if suffix in _EXTRAS
            else did_you_mean(suffix, sorted(suffixes), prefix=prefix)
        )
        yield f"Unknown variable {name}{hint}: it is ignored."


def similar_variable(naming: Naming, setting: str) -> str | None:
    """Find a variable that is set and looks like a misspelt one of a setting.

    Args:
        naming: The naming of the plugin's settings.
        setting: A setting that is missing.

    Returns:
        The variable's name, such as ``EVERFLOW_APIKEY``.
    """
    expected = (naming.own(setting), *naming.aliases(setting))
    known = {
        name for other in naming.properties for name in (naming.own(other), *naming.aliases(other))
    }
    others = [name for name in os.environ if name not in known and os.environ[name].strip()]
    for name in expected:
        if close := difflib.get_close_matches(name, others, n=1, cutoff=_SAME):
            return close[0]
    return None
