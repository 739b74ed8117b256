"""A program with a go.mod to itself: it asks for other versions of modules than what `tools/go.mod` pins."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import tools
from hack.cluster.keys import key_of_files
from hack.cluster.places import HARNESS
from hack.cluster.steps import Steps


@dataclass(frozen=True, slots=True)
class GoProgram:
    """`package` is built by the go.mod of `tools/<module>` when `name` is first asked for; `stamp` is the variable that
    holds its version, `usually` how long that takes.
    """

    name: str
    module: str
    package: str
    version: str
    stamp: str
    usually: str

    @property
    def source(self) -> Path:
        return HARNESS / "tools" / self.module

    def ensure(self, steps: Steps) -> Path:
        """Its path; what is missing is built. Raises HarnessError without Go."""
        box = self._toolbox(steps)
        if box.path(self.name) is None:
            with steps.lock("tools"):
                if box.path(self.name) is None:
                    self._build(steps, box)
        return box.directory / self.name

    def _toolbox(self, steps: Steps) -> tools.Toolbox:
        generation = key_of_files([self.source / "go.mod", self.source / "go.sum"], self.version)
        return tools.Toolbox(directory=steps.places.root / self.module / generation)

    def _build(self, steps: Steps, box: tools.Toolbox) -> None:
        program = tools.go(steps)
        target = steps.places.scratch / self.module
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        with steps.step(f"building {self.name} {self.version} from Go modules", self.usually):
            words = [program, "install", "-trimpath", "-buildvcs=false"]
            words += ["-ldflags", f"-s -w -X {self.stamp}={self.version}", self.package]
            steps.run(words, timeout=tools.BUILD_SECONDS, env=tools.build_env(target), cwd=self.source)
        # Go names what it installs by its package's last word.
        (target / self.package.rpartition("/")[2]).rename(target / self.name)
        box.add([target / self.name])
        for generation in box.directory.parent.iterdir():
            if generation != box.directory:
                shutil.rmtree(generation, ignore_errors=True)
