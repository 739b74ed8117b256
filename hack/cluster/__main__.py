"""`python3 hack/cluster COMMAND`: runs before any environment exists, so the checkout is made importable here."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from hack.cluster.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
