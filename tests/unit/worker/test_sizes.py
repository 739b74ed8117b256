from __future__ import annotations

from pathlib import Path

import pytest

from bullpen import ConfigurationError
from bullpen.runtime.memory import container_limit, share_of
from bullpen.sizes import size_bytes, spoken_size

MIB = 2**20


@pytest.mark.parametrize(
    ("written", "size"),
    [
        *(("512MiB", 512 * MIB), ("512Mi", 512 * MIB), ("1.5GiB", 1536 * MIB), ("2G", 2 * 10**9)),
        *(("64 MB", 64 * 10**6), ("1024", 1024), (1, 1), ("1k", 1000), ("1kib", 1024)),
    ],
)
def test_sizes_as_people_write_them(written: str | int, size: int) -> None:
    assert size_bytes(written, of="memory") == size


@pytest.mark.parametrize("written", ["", "much", "-1", 0, True, "0", "5 TiB", "1e9", "9" * 30, None, 2**60, 1.5])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ConfigurationError, match=r"memory: .* is no amount of memory"):
        size_bytes(written, of="memory")  # type: ignore[arg-type]


def test_sizes_for_people() -> None:
    assert [spoken_size(each) for each in (5 * 2**10, 200 * MIB, 2**30, 3 * 2**29)] == [
        *("5 KiB", "200 MiB", "1 GiB", "1.5 GiB")
    ]


def test_processes_share_what_the_container_and_the_worker_leave(tmp_path: Path) -> None:
    file = tmp_path / "memory.max"
    assert share_of(container_limit(file), parent=60 * MIB, processes=4) is None
    file.write_text("max\n")
    assert container_limit(file) is None
    file.write_text(f"{1000 * MIB}\n")
    share = share_of(container_limit(file), parent=60 * MIB, processes=4)
    assert share == (900 - 60) * MIB // 4
    assert share_of(10, parent=60 * MIB, processes=4) == 1  # nothing is left: every job says so
