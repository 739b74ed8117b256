"""Jobs with all kinds of data, for the schemas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bullpen import App, Retry

app = App()
videos = app.queue("video-generation")
emails = app.queue("emails", limiter=(10, "1s"))
events = app.queue("events")


class Quality(Enum):
    DRAFT = "draft"
    FINAL = "final"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Scene(Camel):
    """One scene; its text may hold */ the end of a comment."""

    scene_text: str
    at: tuple[float, float]
    children: list[Scene] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    good: bool | None


class Render(Camel):
    user_id: UUID
    due: date
    quality: Quality = Quality.DRAFT
    level: Level | None = None
    scenes: list[Scene] = Field(min_length=1)
    tags: dict[str, list[int]] = {}
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    mixed: int | str | None = None
    span: timedelta = timedelta(0)
    price: Decimal = Decimal(0)
    numbers: tuple[int, ...] = ()
    either: list[int | None] = []
    odd_name: str = Field(default="", alias="odd-name")
    anything: Any = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    known: int


@dataclass
class Clip:
    url: str
    made: datetime
    size: int | None = None


@videos.job("generate", retry=Retry(attempts=5, delay="2s"))
async def generate(data: Render) -> Clip:
    """Render a video."""
    raise NotImplementedError


@videos.job("merge", run="process", timeout="20m", memory="512Mi")
def merge(data: list[Scene]) -> None: ...


@videos.job("open")
def open_(data: Open) -> dict[str, Scene]:
    return {}


@emails.job()
def send(data: dict[str, str]) -> Literal["sent", 1, True, None]:
    return "sent"


@events.job("untyped")
def untyped(data):  # type: ignore[no-untyped-def]
    return data


@events.job("unsayable")
def unsayable(data: int) -> Callable[[], None]:
    raise NotImplementedError
