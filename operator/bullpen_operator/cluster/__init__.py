"""The Kubernetes port.

The packages `kubernetes` and `kubernetes.aio` import all they have: the synchronous client with requests, OAuth and
urllib3, informers, streams. Used here are two modules below them, so these packages are entered without being run; that
spares each start 0.1 s of CPU and each operator 9 MB. Whoever imported them before keeps them as they are.
"""

import sys
from importlib.util import find_spec, module_from_spec

for _name in ("kubernetes", "kubernetes.aio"):
    _spec = find_spec(_name) if _name not in sys.modules else None
    if _spec is not None:
        sys.modules[_name] = module_from_spec(_spec)
