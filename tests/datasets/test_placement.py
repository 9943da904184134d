"""Where observations lie: what is chosen, what is said, what is prepared, and what memory it takes."""

import os
import threading
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from kontrast.datasets import Digits, ImageFolder, pictures, placement
from kontrast.datasets.placement import OnDevice, OnHost, lay
from kontrast.datasets.stores import Held, Store
from kontrast.draws import Draws

import forked

CPU = torch.device("cpu")
ROWS = torch.arange(24, dtype=torch.uint8).reshape(6, 1, 2, 2)


class Anywhere(Store):
    """Observations that can be put anywhere the test says."""

    def __init__(self, maps: bool = True, streams: bool = True) -> None:
        self.shape, self.maps, self.streams, self.read = tuple(ROWS.shape), maps, streams, 0

    def memory(self) -> torch.Tensor:
        return ROWS.clone()

    def select(self, rows: torch.Tensor) -> Store:
        raise NotImplementedError

    def _read(self, rows: torch.Tensor, out: torch.Tensor) -> None:
        self.read += 1
        if 5 in rows.tolist():
            raise ValueError("picture '5.png' cannot be read")
        out.copy_(ROWS[rows])

    def mapped(self):
        return (self._read, "mapped from x") if self.maps else None

    def streamed(self):
        return self._read if self.streams else None


@pytest.mark.parametrize(
    ("free", "options", "where"),
    [
        (49, {}, "on cpu"),
        (48, {}, "mapped from x, for cpu"),
        (48, {"maps": False}, "decoded as they are asked for, for cpu, since there is no room to keep them"),
        (48, {"maps": False, "streams": False}, "on cpu"),
    ],
)
def test_the_place_is_chosen_by_what_is_free(monkeypatch, free: int, options: dict, where: str) -> None:
    monkeypatch.setattr(placement, "free_host", lambda: free)
    shelf = lay(Anywhere(**options), CPU)
    assert shelf.where == where
    assert torch.equal(shelf.take(torch.tensor([2, 0, 2])), ROWS[[2, 0, 2]])


def test_what_cannot_be_falls_back_and_says_so() -> None:
    assert lay(Anywhere(), CPU, "pinned").where == "on cpu, where nothing needs to be pinned"
    assert lay(Held(ROWS), CPU, "streamed").where == "in memory, for cpu, since they are not files to decode"
    assert lay(Held(ROWS), CPU, "mapped").where == "in memory, for cpu"
    with pytest.raises(ValueError, match="there is no place named 'disk'; write one of auto, device"):
        lay(Held(ROWS), CPU, "disk")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_the_places_of_a_gpu() -> None:
    cuda = torch.device("cuda")
    for place in ("auto", "device", "pinned", "mapped", "streamed"):
        shelf = lay(Anywhere(), cuda, place)
        shelf.expect(torch.tensor([1, 4]))
        found = shelf.take(torch.tensor([1, 4]))
        assert found.device.type == "cuda"
        assert torch.equal(found.cpu(), ROWS[[1, 4]])
        assert isinstance(shelf, OnDevice if place in ("auto", "device") else OnHost)


@pytest.mark.parametrize(
    ("free", "host", "kind", "where"),
    [
        (49, 49, "files", "device"),
        (48, 49, "files", "pinned"),
        (49, 48, "files", "auto"),
        (48, 48, "files", "auto"),
        (49, 48, "held", "device"),
    ],
)
def test_a_gpu_is_filled_only_so_far(monkeypatch, free: int, host: int, kind: str, where: str) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 100))
    monkeypatch.setattr(placement, "free_host", lambda: host)
    store = Held(ROWS) if kind == "held" else Anywhere()
    assert placement._roomy(store, torch.device("cuda")) == where


def test_what_is_expected_is_read_once_and_apart() -> None:
    store = Anywhere()
    shelf = lay(store, CPU, "mapped")
    rows = [torch.tensor([n, n + 1]) for n in range(4)]
    for _ in range(3):
        shelf.expect(rows[0])
    assert torch.equal(shelf.take(rows[0]), ROWS[:2])
    assert store.read == 1
    assert torch.equal(shelf.take(rows[0]), ROWS[:2])
    assert store.read == 2


def test_only_so_many_batches_wait() -> None:
    store, block = Anywhere(), threading.Event()
    real = store._read
    store._read = lambda rows, out: (block.wait(10), real(rows, out))
    shelf = lay(store, CPU, "mapped")
    assert isinstance(shelf, OnHost)
    for number in range(5):
        shelf.expect(torch.tensor([number]))
    assert len(shelf.ready) == placement.AHEAD
    block.set()
    for number in range(5):
        assert torch.equal(shelf.take(torch.tensor([number])), ROWS[[number]])
    assert not shelf.ready


def test_what_goes_wrong_in_the_background_is_raised_where_the_rows_are_taken() -> None:
    shelf = lay(Anywhere(), CPU, "streamed")
    shelf.expect(torch.tensor([5]))
    shelf.expect(torch.tensor([1]))
    assert torch.equal(shelf.take(torch.tensor([1])), ROWS[[1]])
    with pytest.raises(ValueError, match=r"5\.png"):
        shelf.take(torch.tensor([5]))
    assert torch.equal(shelf.take(torch.tensor([2])), ROWS[[2]])


def test_a_bad_picture_stops_the_step_that_asks_for_it_by_name(tmp_path: Path) -> None:
    for number in range(8):
        Image.new("L", (4, 4), number).save(tmp_path / f"{number}.png")
    (tmp_path / "3.png").write_bytes(b"\x89PNG")
    source = ImageFolder(root=str(tmp_path), size=4, channels=1, test=0.0).open("train", place="streamed")
    draws = [Draws(0, step, 1) for step in range(8)]
    raised = []
    for draw, later in zip(draws, [*draws[1:], draws[0]], strict=True):
        source.expect(later)
        try:
            assert source.batch(draw).observations.unique().tolist() != [3]
        except ValueError as error:
            raised.append(str(error))
    [told] = raised
    assert told.startswith(f"pictures in {tmp_path} cannot be read, replace or remove them: '3.png': it ")


@pytest.mark.parametrize(
    ("count", "text"), [(999, "999 B"), (47_040_000, "47 MB"), (1000, "1 kB"), (24_900_000_000, "24.9 GB")]
)
def test_sizes_in_words(count: int, text: str) -> None:
    assert placement.size(count) == text


def test_the_place_is_said_in_words() -> None:
    assert Digits().open("train").place == "1,347 rows, 86.2 kB, on cpu"


def test_free_memory_is_shared_between_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = placement.free_host()
    assert 1 << 20 < alone <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert placement.free_host() < alone / 2
    assert pictures.workers() <= max(1, (os.cpu_count() or 1) // 4)


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ({}, 1),
        ({"LOCAL_WORLD_SIZE": "3"}, 3),
        ({"SLURM_STEP_TASKS_PER_NODE": "4(x2),3"}, 4),
        ({"SLURM_STEP_TASKS_PER_NODE": "8"}, 8),
        ({"LOCAL_WORLD_SIZE": "2", "SLURM_STEP_TASKS_PER_NODE": "8"}, 2),
    ],
)
def test_processes_of_this_machine_are_counted(monkeypatch, told: dict[str, str], count: int) -> None:
    for name in ("LOCAL_WORLD_SIZE", "SLURM_STEP_TASKS_PER_NODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert placement.processes() == count


def test_warnings_of_other_threads_are_left_alone(tmp_path: Path) -> None:
    """Decoding in the background must not switch off what the rest of the program is warned of."""
    Image.new("L", (4, 4)).save(tmp_path / "0.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    source = ImageFolder(root=str(tmp_path), size=4, test=0.0).open("train", place="streamed")
    source.expect(Draws(0, 0, 1))
    source.batch(Draws(0, 0, 1))
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


STREAM = """
import re, sys, torch
from kontrast.datasets import ImageFolder
from kontrast.draws import Draws
torch.set_num_threads(1)
def used(): return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
source = ImageFolder(root=sys.argv[1], size=256, test=0.0).open("train", place=sys.argv[2])
source.batch(Draws(0, 0, 16))
before, most = used(), 0
for chunk in source.chunks(16): most = max(most, used())
for step in range(1, 20):
    source.expect(Draws(0, step + 1, 16))
    source.batch(Draws(0, step, 16))
    most = max(most, used())
print(most - before, source.place)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured with /proc")
@pytest.mark.parametrize("place", ["mapped", "streamed"])
def test_memory_is_bounded(tmp_path: Path, place: str) -> None:
    """1000 pictures of 256 x 256, 197 MB, are gone through in a process that takes less than half of that for them."""
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (256, 256), (200, 100, 0)).save(tmp_path / "solid.png")
    for number in range(1000):
        (tmp_path / "pictures" / f"{number}.png").symlink_to(tmp_path / "solid.png")
    where = os.environ | {"KONTRAST_DATA": str(tmp_path)}
    done = forked.run(STREAM, tmp_path / "pictures", place, environment=where)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[0]) < 80, done.stdout
    assert ("mapped from" if place == "mapped" else "decoded as") in done.stdout
