"""An API in front of a queue: it answers at once, and tells later what became of the job."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import jobs
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from jobs import Camel, Render, videos
from standardwebhooks import Webhook, WebhookVerificationError

from bullpen import ConnectionLost, JobMissing, JobRecord, JobState, WrongState

Status = Literal["queued", "scheduled", "running", "retrying", "waiting", "completed", "failed"]


@asynccontextmanager
async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
    async with jobs.app:  # its connection is closed with the API
        yield


api = FastAPI(title="Videos", lifespan=lifespan)
# What was heard from the queue by webhook id, the newest last; a real receiver would write it down.
heard: dict[str, Any] = {}
MOST_HEARD = 100


class Accepted(Camel):
    job_id: str
    status: Status = "queued"


class Report(Camel):
    """Where a job is; `result` when it has completed, `reason` when an attempt at it has failed."""

    job_id: str
    status: Status
    progress: Any = 0
    result: Any = None
    reason: str | None = None
    attempts: int = 0


@api.post("/videos", status_code=202)
async def order(video: Render) -> Accepted:
    job = await videos.add("generate", video)
    return Accepted(job_id=job.id)


@api.get("/videos/{job_id}")
async def report(job_id: str) -> Report:
    job = videos.get(job_id)
    state, record = await job.state(), await job.record()
    return Report(
        job_id=job_id,
        status=status(state, record),
        progress=record.progress,
        result=record.return_value,
        reason=record.failed_reason,
        attempts=record.attempts_made,
    )


@api.delete("/videos/{job_id}", status_code=204)
async def cancel(job_id: str) -> None:
    job = videos.get(job_id)
    match await job.state():
        case JobState.UNKNOWN:
            raise HTTPException(404, f"there is no job {job_id}")
        case JobState.COMPLETED | JobState.FAILED as ended:
            raise HTTPException(409, f"job {job_id} has {ended} already")
    await job.remove()  # WrongState when a worker was faster


@api.post("/webhooks/bullpen", status_code=204)
async def hear(request: Request) -> None:
    """What the queue tells by itself (docs/webhooks.md), signed as Standard Webhooks says."""
    try:
        told = Webhook(os.environ["WEBHOOK_SECRET"]).verify(await request.body(), dict(request.headers))
    except KeyError:
        raise HTTPException(503, "set WEBHOOK_SECRET, the same as the worker's") from None
    except WebhookVerificationError as error:
        raise HTTPException(401, str(error)) from error
    heard[request.headers["webhook-id"]] = told  # deliveries are repeated until answered, with the same id
    if len(heard) > MOST_HEARD:
        del heard[next(iter(heard))]


@api.get("/webhooks/bullpen")
async def tell() -> list[Any]:
    return list(heard.values())


@api.exception_handler(JobMissing)
async def missing(_request: Request, error: JobMissing) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 404)


@api.exception_handler(WrongState)
async def too_late(_request: Request, error: WrongState) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 409)


@api.exception_handler(ConnectionLost)
async def unreachable(_request: Request, _error: ConnectionLost) -> JSONResponse:
    return JSONResponse({"detail": "the queue cannot be reached, try again"}, 503, {"Retry-After": "5"})


def status(state: JobState, record: JobRecord) -> Status:
    """The queue's states in the words of this API."""
    match state:
        case JobState.COMPLETED:
            return "completed"
        case JobState.FAILED:
            return "failed"
        case JobState.ACTIVE:
            return "running"
        case JobState.WAITING_CHILDREN:
            return "waiting"
        case JobState.DELAYED:
            return "retrying" if record.attempts_made else "scheduled"
        case _:
            return "queued"
