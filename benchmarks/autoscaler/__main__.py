"""What autoscalers make of recorded and generated workloads, by simulation.

    python benchmarks/autoscaler [--traces FOLDER] [--functions 80] [--seeds 5] [--policies bullpen,keda,…]
                                 [--out FOLDER] [--pictures] [--processes 2]

--traces is a folder with the Azure traces (see docs/autoscaling.md); without it only generated workloads are run.
--functions takes so many of the Azure functions, in the order of their names. The report goes to --out.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from autoscaler import report, runs, traces


def _one(job: tuple[str | None, int, int, tuple[str, ...]]) -> list[runs.Figures]:
    folder, index, seed, policies = job
    return runs.task((_sources(folder)[index], seed, policies))


_known: dict[str | None, list[traces.Source]] = {}


def _sources(folder: str | None) -> list[traces.Source]:
    if folder not in _known:
        _known[folder] = list(traces.every(Path(folder) if folder else None))
    return _known[folder]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", help="folder with azure2019_*.csv and azure2023_llm_code.csv")
    parser.add_argument("--functions", type=int, default=80)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--policies", default=",".join(runs.POLICIES))
    parser.add_argument("--out", type=Path, default=Path("autoscaler-report"))
    parser.add_argument("--pictures", action="store_true", help="draw PNGs too; needs matplotlib")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    policies = tuple(chosen.policies.split(","))
    unknown = set(policies) - set(runs.POLICIES)
    if unknown:
        parser.error(f"no policy {', '.join(sorted(unknown))}: there are {', '.join(runs.POLICIES)}")
    try:
        sources = _sources(chosen.traces)
    except FileNotFoundError as error:
        parser.error(f"--traces {chosen.traces}: {error.filename} is missing")
    azure = sorted(source.name for source in sources if source.kind == "azure")[: chosen.functions]
    picked = [index for index, source in enumerate(sources) if source.kind != "azure" or source.name in azure]
    jobs = [(chosen.traces, index, seed, policies) for seed in range(1, chosen.seeds + 1) for index in picked]
    started, done = time.monotonic(), []
    with multiprocessing.Pool(chosen.processes) as pool:
        for number, figures in enumerate(pool.imap(_one, jobs), 1):
            done += figures
            report.written(done, chosen.out)  # a run that is broken off leaves what it has
            print(f"\r{number} of {len(jobs)}", end="", file=sys.stderr, flush=True)
    print(f", {time.monotonic() - started:.0f} s", file=sys.stderr)
    done.sort(key=lambda run: (run.kind, run.trace, policies.index(run.policy), run.seed))
    report.written(done, chosen.out)
    if chosen.pictures:
        report.pictures(done, [sources[index] for index in picked], chosen.out)
    for kind in dict.fromkeys(run.kind for run in done):
        mine = [run for run in done if run.kind == kind]
        print(f"\n{kind}", *report.summary(mine), *report.against_keda(mine), sep="\n")


if __name__ == "__main__":
    main()
