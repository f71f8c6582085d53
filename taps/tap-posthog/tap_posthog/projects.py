"""Which projects are read: https://posthog.com/docs/api/projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalroom_singer import ExitCode, TapError, invalid_setting, setting_label

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALL = "all"


class Projects:
    """The projects that the setting ``project_id`` selects.

    Args:
        setting: The setting: ids with commas between them, ``all``, or None for the only project.

    Raises:
        ConfigValidationError: If the setting has anything but numbers.
    """

    def __init__(self, setting: str | None) -> None:
        words = [word.strip() for word in str(setting or "").split(",") if word.strip()]
        self._is_all = words == [_ALL]
        if not self._is_all and not all(word.isdecimal() for word in words):
            problem = (
                "expected the number in the address of the project's pages "
                "(https://us.posthog.com/project/4711), several with commas, or all"
            )
            raise invalid_setting("project_id", problem, setting)
        #: The ids; empty until `select`, where the setting does not name them.
        self.ids = [] if self._is_all else [*dict.fromkeys(int(word) for word in words)]
        #: Whether there may be several: the setting names more than one, or ``all``.
        self.are_several = self._is_all or len(self.ids) > 1

    def select(self, visible: Mapping[int, str]) -> None:
        """Select from the projects that the key can see.

        Args:
            visible: The name of each project, by its id.

        Raises:
            TapError: If there is no project, or there are several and the setting names none.
        """
        if not visible or (len(visible) > 1 and not self._is_all):
            choices = ", ".join(f"{number} ({name})" for number, name in visible.items())
            msg = (
                f"Set {setting_label('project_id')}: the key can see {choices or 'no project'}. "
                "Separate several with commas; `all` reads every one."
            )
            raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
        self.ids = [*visible]
