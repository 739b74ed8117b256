"""Which fields of the status the CRD in the cluster does not have: an older one than the operator's.

Helm installs a CRD and never updates it, and a server-side apply is refused whole for one field that is not declared.
Without this an operator after an upgrade would tell nothing at all.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.cluster.port import ClusterError

log = logging.getLogger(__name__)

_UNDECLARED: Final = re.compile(r"\.status\.([A-Za-z]+)[^ ]*: field not declared in schema")
"""The words of structured-merge-diff, in which the API server merges an apply."""
ASK_AGAIN_SECONDS: Final = 600.0


class Declared:
    """Learns from refusals; each field is tried again after a while, because the CRD may have been updated."""

    def __init__(self) -> None:
        self._lacking: dict[str, float] = {}

    def part_of(self, status: Mapping[str, Any], *, now: float) -> dict[str, Any]:
        """The status without the fields that were refused lately."""
        if not self._lacking:
            return dict(status)
        self._lacking = {name: at for name, at in self._lacking.items() if 0 <= now - at < ASK_AGAIN_SECONDS}
        return {name: value for name, value in status.items() if name not in self._lacking}

    def learns(self, error: ClusterError, *, now: float) -> bool:
        """Whether the refusal names a field that is not declared; it is left out from now on."""
        found = _UNDECLARED.search(error.message)
        if found is None:
            return False
        if found[1] not in self._lacking:
            log.warning(
                "the CRD is older than the operator and has no status.%s: apply the crds of this release", found[1]
            )
        self._lacking[found[1]] = now
        return True
