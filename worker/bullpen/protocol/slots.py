"""The hash slot of a queue in a Redis cluster (the cluster specification's CRC16 of the hash tag)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from redis.crc import key_slot

from bullpen.errors import ConfigurationError

if TYPE_CHECKING:
    from bullpen.protocol.keys import QueueKeys

# The first `{`, and the first `}` after it with something in between.
_TAG: Final = re.compile(r"^[^{]*\{[^}]+\}")


def slot_of(keys: QueueKeys) -> int:
    """The one slot of all keys of a queue, 0 to 16383.

    Raises ConfigurationError when neither prefix nor name holds a hash tag: then each key would have a slot of its
    own, and no script could touch two of them.
    """
    if not _TAG.match(keys.base):
        raise ConfigurationError(
            f"queue {keys.queue!r} with the prefix {keys.prefix!r} cannot live in a Redis cluster: put a hash tag into "
            f"the prefix, as in {{{keys.prefix}}}, or into the queue's name, as in {{{keys.queue}}}"
        )
    return key_slot(keys.base.encode())
