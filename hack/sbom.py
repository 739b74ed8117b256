"""What an image is made of, as CycloneDX: every package of its lock file, with version, source and hashes.

    python -m hack.sbom [DIRECTORY]    writes bullpen-operator.cdx.json and bullpen-worker.cdx.json; DIRECTORY: dist/

`cyclonedx-py` is that of lock/release.txt, in an environment of its own below the cache directory.
"""

import json
import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

from hack.cluster.keys import key_of_files
from hack.cluster.places import CHECKOUT, Places
from hack.cluster.steps import HarnessError, Steps

IMAGES = ("operator", "worker")
LOCK = CHECKOUT / "lock/release.txt"
INSTALL_SECONDS = 600
WRITE_SECONDS = 120


def tools(steps: Steps) -> Path:
    """The `bin` of an environment with the tools of a release; made when it is not there."""
    name = f"release-{sys.version_info.major}.{sys.version_info.minor}-{key_of_files([LOCK])}"
    made = steps.places.root / "release" / name
    if not made.exists():
        with steps.lock("release"):
            if not made.exists():  # another run may have been quicker
                with steps.step("the tools of a release (cyclonedx-py, pip-audit)", "30 s"):
                    _make(steps, made)
    return made / "bin"


def _make(steps: Steps, target: Path) -> None:
    shutil.rmtree(target.parent, ignore_errors=True)
    work = target.with_suffix(".half")
    steps.run([sys.executable, "-m", "venv", work], timeout=INSTALL_SECONDS)
    pip: list[str | Path] = [work / "bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    steps.run([*pip, "--require-hashes", "-r", LOCK], timeout=INSTALL_SECONDS)
    work.rename(target)  # last, so that what is there is whole


def write(steps: Steps, image: str, target: Path) -> None:
    """Write the bill of materials of an image; raises HarnessError."""
    # By the module: the program's first line holds the path under which the environment was made.
    words: list[str | Path] = [tools(steps) / "python", "-m", "cyclonedx_py", "requirements"]
    words += ["--output-reproducible", "--output-format=JSON", f"--output-file={target}"]
    steps.run([*words, CHECKOUT / f"lock/{image}.txt"], timeout=WRITE_SECONDS)
    bill: dict[str, Any] = json.loads(target.read_text())
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    bill["metadata"]["component"] = {
        "type": "container",
        "bom-ref": f"bullpen-{image}",
        "name": f"bullpen/{image}",
        "version": project["version"],
        "licenses": [{"license": {"id": project["license"]}}],
    }
    target.write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n")


def main(arguments: list[str]) -> int:
    directory = Path(arguments[0] if arguments else CHECKOUT / "dist")
    directory.mkdir(parents=True, exist_ok=True)
    try:
        steps = Steps.begin(Places.of(os.environ), "sbom")
        for image in IMAGES:
            target = directory / f"bullpen-{image}.cdx.json"
            write(steps, image, target)
            print(target)
    except HarnessError as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
