"""Checks of texts and flags that a caller gives, before anything is sent."""

from __future__ import annotations

from typing import Final

from bullpen.errors import ConfigurationError

LONGEST_NAME: Final = 1000
"""Characters of a name or an id: it is written into keys, events and logs again and again."""
_SHOWN: Final = 60


def shown(value: object) -> str:
    """A value in an error message, shortened."""
    if isinstance(value, str | bytes) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]!r}… ({len(value)} characters)"
    if isinstance(value, int) and value.bit_length() > 256:  # Python refuses to print the longest
        return f"a number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 2 * _SHOWN else f"{text[: 2 * _SHOWN]}…"


def check_text(what: str, value: object) -> None:
    """Raises ConfigurationError for what is no name or id: no text, empty, too long, or one that keys cannot have."""
    if value == "":
        raise ConfigurationError(f"{what} is empty: give a text")
    if not isinstance(value, str):
        raise ConfigurationError(f"{what} is {shown(value)}: give a text")
    if len(value) > LONGEST_NAME:
        raise ConfigurationError(f"{what} is {shown(value)}: give at most {LONGEST_NAME} characters")
    if "\0" in value:
        raise ConfigurationError(f"{what} is {shown(value)}, which has a NUL in it: leave that out")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"{what} is {shown(value)}, which is no Unicode ({error.reason})") from None


def check_flag(what: str, value: object) -> None:
    """Raises ConfigurationError for what is neither True nor False."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{what} is {shown(value)}: give True or False")
