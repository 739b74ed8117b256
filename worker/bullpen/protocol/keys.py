"""Names of everything a queue keeps in Redis (protocol §1.1, §1.2, and our own additions)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import check_text, shown

DEFAULT_PREFIX = "bull"


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """Every key name of one queue. `base` is the protocol's `P`: `<prefix>:<queue>:`.

    Raises ConfigurationError for an empty name or prefix and for a name with a colon (§1.5).
    """

    prefix: str
    queue: str
    base: str = field(init=False)

    def __post_init__(self) -> None:
        check_text("queue name", self.queue)
        if ":" in self.queue:
            raise ConfigurationError(
                f"queue name {shown(self.queue)} contains ':', which separates the parts of a Redis key: "
                "use another character, for example '-'"
            )
        if self.prefix == "":
            raise ConfigurationError(f"queue prefix is empty: leave it out for {DEFAULT_PREFIX!r}")
        check_text("queue prefix", self.prefix)
        object.__setattr__(self, "base", f"{self.prefix}:{self.queue}:")

    def job(self, job_id: str) -> str:
        """The hash of one job."""
        return self.base + job_id

    def lock(self, job_id: str) -> str:
        """The owner's token while a worker holds the job."""
        return f"{self.base}{job_id}:lock"

    def logs(self, job_id: str) -> str:
        """The job's log rows, oldest first."""
        return f"{self.base}{job_id}:logs"

    def dedup(self, dedup_id: str) -> str:
        """Id of the job that owns the deduplication id (§2.5)."""
        return f"{self.base}de:{dedup_id}"

    def dedup_next(self, dedup_id: str) -> str:
        """The job to be added when the owner of the deduplication id is finished (§4.6)."""
        return f"{self.base}dn:{dedup_id}"

    @property
    def meta(self) -> str:
        """Pause, limits and the event cap (§1.6)."""
        return self.base + "meta"

    @property
    def wait(self) -> str:
        """Ready jobs without priority; the newest is at the head."""
        return self.base + "wait"

    @property
    def paused(self) -> str:
        """What `wait` is called while the queue is paused by a v5 client."""
        return self.base + "paused"

    @property
    def active(self) -> str:
        """Jobs held by workers; the newest is at the head."""
        return self.base + "active"

    @property
    def prioritized(self) -> str:
        """Ready jobs with a priority."""
        return self.base + "prioritized"

    @property
    def delayed(self) -> str:
        """Jobs with a due time; score = due ms x 4096 + sequence."""
        return self.base + "delayed"

    @property
    def waiting_children(self) -> str:
        """Parents whose children have not all finished."""
        return self.base + "waiting-children"

    @property
    def completed(self) -> str:
        """Completed jobs by the ms of their end."""
        return self.base + "completed"

    @property
    def failed(self) -> str:
        """Failed jobs by the ms of their end."""
        return self.base + "failed"

    @property
    def marker(self) -> str:
        """What idle workers block on (§3.2)."""
        return self.base + "marker"

    @property
    def events(self) -> str:
        """The event stream (§10)."""
        return self.base + "events"

    @property
    def limiter(self) -> str:
        """Jobs started in the current rate-limit window."""
        return self.base + "limiter"

    @property
    def workers(self) -> str:
        """Ours: heartbeats, one field an instance."""
        return self.base + "bullpen:workers"

    @property
    def drain(self) -> str:
        """Ours: drain marks, instance -> end of the lease in ms."""
        return self.base + "bullpen:drain"

    @property
    def gone(self) -> str:
        """Ours, of a queue of webhooks: URLs that are not told any more, by the ms of their 410."""
        return self.base + "bullpen:gone"

    @property
    def listener_name(self) -> str:
        """How a connection that reads the events is named, as that of Node's QueueEvents is (§1.7)."""
        return f"{self.client_name()}:qe"

    def client_name(self, worker: str | None = None) -> str:
        """How the blocking connection of a worker is named, so that Node's getWorkers finds it (§1.7).

        Raises ConfigurationError for a worker name with a space or control character: CLIENT SETNAME refuses it.
        """
        named = base64.b64encode(self.queue.encode()).decode()
        if worker is None:
            return f"{self.prefix}:{named}"
        if not worker.isascii() or not worker.isprintable() or " " in worker:
            raise ConfigurationError(
                f"worker name {worker!r} cannot be a Redis client name: use ASCII letters and digits without spaces"
            )
        return f"{self.prefix}:{named}:w:{worker}"
