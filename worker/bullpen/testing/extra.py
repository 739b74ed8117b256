"""What the extra `testing` installs, and may be missing."""

from __future__ import annotations

from bullpen.errors import ConfigurationError


def not_installed(missing: ImportError) -> ConfigurationError:
    """What to raise from the error of an import."""
    return ConfigurationError(f"bullpen.testing needs {missing.name}: install bullpen[testing] where the tests run")
