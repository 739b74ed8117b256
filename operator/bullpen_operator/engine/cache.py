"""What was last seen of the pools, what they own, their pods and scalers, and which pools something happened to.

Written by the watch edge, by relists, and with the answers to our own writes; read by the sweep. All on one
event loop, so nothing locks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bullpen_operator.cluster.pods import WorkerPod, pool_of, scaled_by, scaler_name, slim_pod, slim_scaler
from bullpen_operator.cluster.port import Kind
from bullpen_operator.cluster.trouble import trouble_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bullpen_operator.cluster.port import Listing, Raw
    from bullpen_operator.scaling.observation import PodTrouble


class Cache:
    """Objects by uid, with the pools that changed since they were last taken.

    `forgotten` hears of the uid of each pool that is gone.
    """

    def __init__(self, *, forgotten: Callable[[Raw], None]) -> None:
        self._objects: dict[Kind, dict[str, Raw]] = {kind: {} for kind in Kind}
        self._at: dict[Kind, dict[tuple[str, str], str]] = {kind: {} for kind in Kind}
        self._gone: dict[Kind, dict[str, int]] = {kind: {} for kind in Kind}
        self._newest: dict[Kind, int] = dict.fromkeys(Kind, 0)
        self._before: dict[Kind, int] = dict.fromkeys(Kind, 0)  # the newest when the last list was asked for
        self._crews: dict[tuple[str, str], dict[str, Raw]] = {}
        self._scalers: dict[tuple[str, str], dict[str, Raw]] = {}
        self._dirty: set[str] = set()
        self._forgotten = forgotten

    def pools(self) -> Iterator[Raw]:
        """All pools, as a view that must not be kept over an await."""
        return iter(self._objects[Kind.POOL].values())

    def pool(self, uid: str) -> Raw | None:
        return self._objects[Kind.POOL].get(uid)

    def deployment(self, pool: Raw) -> Raw | None:
        """The Deployment that the pool owns, under its name, if one was seen."""
        metadata = pool["metadata"]
        found = self.deployment_at(metadata["namespace"], metadata["name"])
        return found if found is not None and owner(found) == metadata["uid"] else None

    def deployment_at(self, namespace: str, name: str) -> Raw | None:
        """The Deployment of that name, whoever owns it."""
        uid = self._at[Kind.DEPLOYMENT].get((namespace, name))
        return self._objects[Kind.DEPLOYMENT].get(uid) if uid is not None else None

    def budget(self, pool: Raw) -> Raw | None:
        """The PodDisruptionBudget that the pool owns, under its name, if one was seen."""
        metadata = pool["metadata"]
        uid = self._at[Kind.BUDGET].get((metadata["namespace"], metadata["name"]))
        found = self._objects[Kind.BUDGET].get(uid) if uid is not None else None
        return found if found is not None and owner(found) == metadata["uid"] else None

    def pods(self, pool: Raw) -> list[WorkerPod]:
        """The pods of the pool's Deployment, those that are being ended included."""
        return [WorkerPod.of(raw) for raw in self._crews.get(_place(pool), {}).values()]

    def trouble(self, pool: Raw) -> PodTrouble | None:
        """What keeps pods of the pool from running."""
        crew = self._crews.get(_place(pool), {}).values()
        if not any(pod["trouble"] for pod in crew):
            return None
        return trouble_of({"metadata": pod["metadata"], "status": pod["trouble"]} for pod in crew)

    def scaler(self, pool: Raw) -> str:
        """What else scales the pool's Deployment, as kind/name; empty when nothing does."""
        return min(map(scaler_name, self._scalers.get(_place(pool), {}).values()), default="")

    def size(self, kind: Kind) -> int:
        return len(self._objects[kind])

    def is_dirty(self, uid: str) -> bool:
        """The same, without taking it."""
        return uid in self._dirty

    def take_dirty(self, uid: str) -> bool:
        """Whether something happened to the pool or its Deployment since this was last asked."""
        if uid in self._dirty:
            self._dirty.remove(uid)
            return True
        return False

    def put(self, kind: Kind, raw: Raw) -> None:
        """Keep an object, unless a newer version of it is known: watch, relist and answers to writes overtake
        each other.
        """
        metadata = raw["metadata"]
        uid = metadata["uid"]
        known = self._objects[kind].get(uid)
        latest = version(known) if known is not None else self._gone[kind].get(uid, -1)
        if version(raw) <= latest:
            return
        self._newest[kind] = max(self._newest[kind], version(raw))
        kept = _slim(kind, raw)
        self._objects[kind][uid] = kept
        self._leave_index(kind, known)
        self._enter_index(kind, kept)
        if kind is Kind.BUDGET and known is not None and _generation(known) == _generation(raw):
            return  # its status counts pods, which the Deployment tells already
        if known is not None:
            self._mark(kind, known)  # whose it was, if its owner was taken away
        place = _place(raw)
        former = self._at[kind].get(place)
        if former is not None and former != uid:
            self.remove(kind, self._objects[kind][former])  # a name has one object: nobody told that this one went
        self._at[kind][place] = uid
        self._mark(kind, raw)

    def remove(self, kind: Kind, raw: Raw) -> None:
        """An object is gone, or no longer matches the watch's selector: only a later version of it brings it back."""
        uid = raw["metadata"]["uid"]
        self._gone[kind][uid] = version(raw)
        known = self._objects[kind].pop(uid, None)
        if known is None:
            return
        self._leave_index(kind, known)
        place = _place(known)
        if self._at[kind].get(place) == uid:
            del self._at[kind][place]
        self._mark(kind, known)
        if kind is Kind.POOL:
            self._dirty.discard(uid)
            self._forgotten(known)

    def start_relist(self, kind: Kind) -> None:
        """A list is about to be asked for: from now on remember what goes away, because the list may still
        show it.
        """
        self._gone[kind].clear()
        self._before[kind] = self._newest[kind]

    def is_ahead_of(self, kind: Kind, listing: Listing) -> bool:
        """Whether the list cannot be of the same history as what is known: etcd was restored from a snapshot.

        Then the versions count from an earlier point again, or (`--bump-revision`) go on, and single objects are older
        than they were known to be at the time of the list.
        """
        listed_at = int(listing.resource_version)
        known = self._objects[kind]
        return listed_at < self._before[kind] or any(
            version(raw) < version(known[raw["metadata"]["uid"]]) <= listed_at
            for raw in listing.items
            if raw["metadata"]["uid"] in known
        )

    def replace(self, kind: Kind, listing: Listing, *, namespace: str | None, rewound: bool = False) -> int:
        """The whole truth of a moment: what it lacks is gone, unless it is newer than the list. Returns how
        many were gone. `rewound`: nothing of what is known is newer than anything.
        """
        if rewound:
            self._wind_back(kind, namespace)
        listed = {raw["metadata"]["uid"] for raw in listing.items}
        missed = [
            raw
            for uid, raw in self._objects[kind].items()
            if uid not in listed
            and (namespace is None or raw["metadata"]["namespace"] == namespace)
            and version(raw) <= int(listing.resource_version)
        ]
        for raw in missed:
            self.remove(kind, raw)
        for raw in listing.items:
            self.put(kind, raw)
        self._newest[kind] = max(self._newest[kind], int(listing.resource_version))
        return len(missed)

    def _wind_back(self, kind: Kind, namespace: str | None) -> None:
        """Forget how new all is that is known of the kind."""
        self._newest[kind] = 0
        self._gone[kind].clear()
        for raw in self._objects[kind].values():
            if namespace is None or raw["metadata"]["namespace"] == namespace:
                raw["metadata"]["resourceVersion"] = "0"

    def _enter_index(self, kind: Kind, raw: Raw) -> None:
        found = self._index(kind, raw)
        if found is not None:
            index, place = found
            index.setdefault(place, {})[raw["metadata"]["uid"]] = raw

    def _leave_index(self, kind: Kind, raw: Raw | None) -> None:
        found = self._index(kind, raw) if raw is not None else None
        if raw is None or found is None:
            return
        index, place = found
        index[place].pop(raw["metadata"]["uid"])
        if not index[place]:
            del index[place]

    def _index(self, kind: Kind, raw: Raw) -> tuple[dict[tuple[str, str], dict[str, Raw]], tuple[str, str]] | None:
        """Where pods and scalers are found by the Deployment that they belong to."""
        if kind is Kind.POD:
            index, name = self._crews, pool_of(raw)
        elif kind is Kind.SCALER:
            index, name = self._scalers, scaled_by(raw)
        else:
            return None
        return (index, (raw["metadata"]["namespace"], name)) if name is not None else None

    def _mark(self, kind: Kind, raw: Raw) -> None:
        if kind not in (Kind.POOL, Kind.DEPLOYMENT, Kind.BUDGET):
            return
        uid = raw["metadata"]["uid"] if kind is Kind.POOL else owner(raw)
        if uid in self._objects[Kind.POOL]:  # a Deployment mostly outlives its pool, whose uid would stay for ever
            self._dirty.add(uid)


def _slim(kind: Kind, raw: Raw) -> Raw:
    """What is kept of an object: managedFields are its larger half, and nothing here reads them."""
    if kind is Kind.POD:
        return slim_pod(raw)
    if kind is Kind.SCALER:
        return slim_scaler(raw)
    return {**raw, "metadata": {key: value for key, value in raw["metadata"].items() if key != "managedFields"}}


def _place(raw: Raw) -> tuple[str, str]:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]


def _generation(raw: Raw) -> int:
    number: int = raw["metadata"].get("generation", 0)
    return number


def owner(raw: Raw) -> str | None:
    """The uid of the object's controller, if it has one."""
    references: list[dict[str, Any]] = raw["metadata"].get("ownerReferences") or []
    return next((reference["uid"] for reference in references if reference.get("controller")), None)


def version(raw: Raw) -> int:
    """resourceVersion as the number it is (KEP-5504: comparable between versions of one resource)."""
    return int(raw["metadata"]["resourceVersion"])
