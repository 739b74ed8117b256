"""Finding the app that `module:attribute` names."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

from bullpen import sync
from bullpen.app import App
from bullpen.errors import ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType


def load_app(reference: str | None) -> App:
    """Import the app, with the working directory importable; raises ConfigurationError for every way it can fail."""
    if not reference:
        raise ConfigurationError(
            "no app named: give it as module:attribute (bullpen serve app:app), or set BULLPEN_APP"
        )
    name, separator, attribute = reference.partition(":")
    if not separator or not name or not attribute:
        raise ConfigurationError(f"app {reference!r}: write it as module:attribute, for example app:app")
    app: object = _module(name, reference)
    for part in attribute.split("."):
        try:
            app = getattr(app, part)
        except AttributeError as error:
            raise ConfigurationError(
                f"app {reference!r}: module {name!r} has no {attribute!r}; "
                f"its apps are {_apps(_module(name, reference))}"
            ) from error
    if isinstance(app, sync.App):
        app = app.awaiting
    if not isinstance(app, App):
        raise ConfigurationError(
            f"app {reference!r}: {attribute!r} is a {type(app).__qualname__}, not a bullpen.App; "
            f"the module's apps are {_apps(_module(name, reference))}"
        )
    return app


def _module(name: str, reference: str) -> ModuleType:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name.endswith(".py"):
            raise ConfigurationError(
                f"app {reference!r}: {name!r} is a file, not a module; write {name[:-3]}:… without '.py'"
            ) from error
        if name == missing or name.startswith(f"{missing}."):
            raise ConfigurationError(
                f"app {reference!r}: there is no module {missing!r} in {here} or on PYTHONPATH; "
                "check its name, or change directory"
            ) from error
        raise ConfigurationError(
            f"app {reference!r}: module {name!r} imports {missing!r}, which is not installed; install it with the app"
        ) from error
    except ConfigurationError as error:
        raise ConfigurationError(f"app {reference!r}: {error}") from error
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"app {reference!r}: importing {name!r} raised {_last_line(error)}") from error


def _last_line(error: BaseException) -> str:
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    text = " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        where = None  # its text says where; the frames are those of the import
    place = f" ({os.path.basename(where.tb_frame.f_code.co_filename)}, line {where.tb_lineno})" if where else ""
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"


def _apps(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, App | sync.App)]
    return ", ".join(f"{module.__name__}:{name}" for name in names) or "none"
