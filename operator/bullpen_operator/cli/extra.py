"""What is not installed with the `bullpen` command itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from bullpen.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def needed(what: str) -> Iterator[None]:
    """Around imports of the extra `operator`: raises ConfigurationError when it is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'{what} needs {error.name}, which is not installed: pip install "bullpen[operator]"'
        ) from error
