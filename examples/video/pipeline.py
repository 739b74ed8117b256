"""A video in four stages: a script, its images side by side, chunks of them side by side, and the merge.

    generate ─┬─ writes the script, adds what follows, and waits for it
              └─ merge ─┬─ chunk ─┬─ image
                        │         └─ image
                        └─ chunk ─┬─ image …

Each stage leaves a file and finds it when it is run again, on whatever worker. The stages share one queue, so that one
pool of workers grows with the images that wait.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import files
import pictures
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bullpen import App, Context, Flow, Retry, WaitForChildren

app = App()
videos = app.queue("video-generation")

RETRY = Retry(attempts=4, backoff="exponential", delay="500ms")


class Data(BaseModel):
    """camelCase in Redis, as TypeScript writes it, snake_case here."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Video(Data):
    """What a producer asks for."""

    title: str = Field(min_length=1, max_length=200)
    scenes: int = Field(default=6, ge=1, le=60)
    scenes_per_chunk: int = Field(default=2, ge=1)
    frames_per_scene: int = Field(default=12, ge=1, le=250)
    width: int = Field(default=480, ge=16, le=1920)
    height: int = Field(default=270, ge=16, le=1080)
    fail_scene: int | None = None
    """The switch for a fault: the first attempt to draw this scene (from 0) fails when it is half done."""

    @property
    def folder(self) -> Path:
        """Where its files are, the same for the same video."""
        return files.folder(self.title, self.model_dump(exclude={"title", "fail_scene"}))


class Scene(Data):
    """A line of the script."""

    number: int
    words: str
    hue: float


class Image(Data):
    """Draw one scene."""

    video: Video
    scene: Scene


class Chunk(Data):
    """Animate some of the scenes."""

    video: Video
    number: int
    scenes: list[int]


class Movie(Data):
    """What came of it; `file` is below VIDEO_DIR."""

    file: str
    frames: int
    seconds: float
    bytes: int


@videos.job("generate", retry=RETRY)
async def generate(video: Video, ctx: Context) -> Movie:
    """Write the script and add a job for everything else; run again when all is done, give the movie."""
    finished = await ctx.children_values()
    if finished:
        ctx.progress(100)
        return Movie.model_validate(next(iter(finished.values())))
    script = await asyncio.to_thread(write_script, video)
    ctx.progress(10)
    # The ids are made of this job's: a worker that dies here, and the next that adds them again, add them once.
    await app.flow(stages(video, script, ctx.job_id), parent=ctx)
    raise WaitForChildren


def write_script(video: Video) -> list[Scene]:
    """The scenes of a video; the same in every attempt, because it is read back from its file."""

    def write(path: Path) -> None:
        words = video.title.split()
        start = zlib.crc32(video.title.encode()) % 360 / 360
        scenes = [
            Scene(number=n, words=words[n % len(words)] if words else "", hue=(start + n / video.scenes) % 1)
            for n in range(video.scenes)
        ]
        path.write_text(json.dumps([scene.model_dump() for scene in scenes], indent=1))

    path = video.folder / "script.json"
    files.made(path, write)
    return [Scene.model_validate(each) for each in json.loads(path.read_text())]


def stages(video: Video, script: list[Scene], job_id: str) -> Flow:
    """The stages after the script, as a tree: the merge waits for its chunks, each chunk for its images."""
    each = video.scenes_per_chunk
    parts = [script[start : start + each] for start in range(0, len(script), each)]
    chunks = [
        Flow(
            queue=videos,
            name="chunk",
            data=Chunk(video=video, number=number, scenes=[scene.number for scene in scenes]),
            job_id=f"{job_id}.chunk-{number}",
            children=[
                Flow(
                    queue=videos,
                    name="image",
                    data=Image(video=video, scene=scene),
                    job_id=f"{job_id}.image-{scene.number}",
                    retry=RETRY,
                )
                for scene in scenes
            ],
        )
        for number, scenes in enumerate(parts)
    ]
    return Flow(queue=videos, name="merge", data=video, job_id=f"{job_id}.merge", children=chunks)


# Drawing is for the processor, so each of these jobs has a process: they use the cores there are, and can be ended.


@videos.job("image", run="process", timeout="5m", retry=RETRY)
def image(data: Image, ctx: Context) -> str:
    """Draw a scene."""
    video, scene = data.video, data.scene

    def draw(path: Path) -> None:
        pictures.draw(path, words=scene.words, number=scene.number, hue=scene.hue, size=(video.width, video.height))
        ctx.progress(50)
        if video.fail_scene == scene.number and ctx.attempt == 1:
            raise OSError(f"scene {scene.number}: the renderer gave up (failScene asked for it)")

    ctx.progress(0)
    _note(ctx, files.made(_image(video, scene.number), draw))
    ctx.progress(100)
    return _image(video, scene.number).name


@videos.job("chunk", run="process", timeout="5m", retry=RETRY)
def chunk(data: Chunk, ctx: Context) -> str:
    """Move a camera over some scenes."""
    video = data.video

    def animate(path: Path) -> None:
        pictures.cut(
            path,
            [_image(video, number) for number in data.scenes],
            frames=video.frames_per_scene,
            size=(video.width, video.height),
            done=_progress(ctx, len(data.scenes) * video.frames_per_scene),
        )

    _note(ctx, files.made(_chunk(video, data.number), animate))
    ctx.progress(100)
    return _chunk(video, data.number).name


@videos.job("merge", run="process", timeout="5m", retry=RETRY)
def merge(video: Video, ctx: Context) -> Movie:
    """Join the chunks."""
    path = video.folder / "movie.webp"
    total = video.scenes * video.frames_per_scene
    clips = [_chunk(video, number) for number in range(-(-video.scenes // video.scenes_per_chunk))]

    def join(half: Path) -> None:
        pictures.join(half, clips, done=_progress(ctx, total))

    _note(ctx, files.made(path, join))
    ctx.progress(100)
    frames = pictures.length(path)
    return Movie(
        file=str(path.relative_to(files.root())),
        frames=frames,
        seconds=frames * pictures.FRAME_MS / 1000,
        bytes=path.stat().st_size,
    )


def _image(video: Video, number: int) -> Path:
    return video.folder / f"image-{number:02}.png"


def _chunk(video: Video, number: int) -> Path:
    return video.folder / f"chunk-{number:02}.webp"


def _note(ctx: Context, made: bool) -> None:
    ctx.log("made" if made else "found what an earlier run had made")


def _progress(ctx: Context, total: int) -> Callable[[int], None]:
    """Report each quarter of the frames, and leave between two when the worker has to stop."""

    def done(count: int) -> None:
        ctx.raise_if_stopping()
        if count * 4 // total > (count - 1) * 4 // total:
            ctx.progress(100 * count // total)

    return done
