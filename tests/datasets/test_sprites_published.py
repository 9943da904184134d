"""Sprites beside the published dSprites: its pictures and its table; and the shapes that may be chosen."""

import math

import chz
import numpy as np
import pytest
import torch
from torch import Tensor

from kontrast.datasets import Sprites
from kontrast.datasets.sprites import SHAPES

SCALES, TURNS = np.linspace(0.5, 1, 6), np.linspace(0, 2 * np.pi, 40)

# Lit pixels of the pictures published as dsprites.gif at x = y = 0: scale 0.5, ..., 1 at orientation 0, then the 40
# orientations at scale 1.
PUBLISHED = {
    "square": "100 144 196 256 324 400 "
    "400 368 372 368 368 364 368 368 372 368 372 368 368 368 368 368 368 368 372 368 "
    "368 372 368 368 368 368 368 368 368 372 368 372 368 368 364 368 368 372 368 400",
    "ellipse": "76 104 144 184 228 288 "
    "288 288 290 292 292 288 286 294 292 286 290 288 286 288 292 294 286 286 288 290 "
    "290 288 286 286 294 292 288 286 288 290 286 292 294 286 288 292 292 290 288 288",
    "heart": "58 84 108 140 182 222 "
    "222 225 226 225 224 225 227 224 225 225 225 224 225 225 225 225 226 228 220 226 "
    "226 220 228 226 225 225 225 225 224 225 225 225 224 227 225 224 225 226 225 222",
}


def lit(sprites: Sprites, rows: object) -> Tensor:
    """Pictures bool [n, size, size] of latents."""
    latents = rows if isinstance(rows, Tensor) else torch.tensor(rows, dtype=torch.float64)
    return sprites.render(latents, torch.device("cpu"))[:, 0] > 0


@pytest.mark.parametrize("name", SHAPES)
def test_areas_are_the_published_ones(name: str) -> None:
    shape = list(SHAPES).index(name)
    scales = lit(Sprites(), [(shape, scale, 0, 0, 0) for scale in SCALES]).sum((1, 2))
    turns = lit(Sprites(), [(shape, 1, turn, 0, 0) for turn in TURNS]).sum((1, 2))
    difference = torch.cat([scales, turns]) - torch.tensor([int(area) for area in PUBLISHED[name].split()])
    assert difference.abs().max() <= 4
    assert (difference != 0).sum() <= 6


def test_published_boxes() -> None:
    rows = [(0, 0.5, 0, 0, 0), (0, 1, 0, 0, 0), (1, 1, 0, 0, 0), (2, 1, 0, 0, 0), (2, 1, 0, 1, 0), (2, 1, 0, 0, 1)]
    boxes = []
    for picture in lit(Sprites(), rows):
        down, across = picture.any(1).nonzero(), picture.any(0).nonzero()
        boxes.append((across.min().item(), across.max().item(), down.min().item(), down.max().item()))
    assert boxes == [(11, 20, 11, 20), (6, 25, 6, 25), (3, 28, 9, 22), (6, 25, 7, 23), (38, 57, 7, 23), (6, 25, 39, 55)]


def test_grid_is_the_published_table() -> None:
    grid = Sprites().grid()
    assert grid.classes.shape == grid.values.shape == (737_280, 6)
    assert (grid.classes.dtype, grid.values.dtype, grid.latents.dtype) == (torch.int64, torch.float64, torch.float32)
    number = grid.classes @ torch.tensor([737_280, 245_760, 40_960, 1024, 32, 1])
    assert torch.equal(number, torch.arange(737_280))
    assert (grid.classes.max(0).values + 1).tolist() == [1, 3, 6, 40, 32, 32]
    assert grid.values[0].tolist() == [1, 1, 0.5, 0, 0, 0]
    assert grid.values[-1].tolist() == [1, 3, 1, 2 * math.pi, 1, 1]
    row = Sprites().grid(torch.tensor([245_760 + 3 * 40_960 + 7 * 1024 + 5 * 32 + 2]))
    assert row.classes.tolist() == [[0, 1, 3, 7, 5, 2]]
    assert row.values.tolist() == [[1, 2, 0.8, TURNS[7], 5 / 31, 2 / 31]]
    assert row.latents[0].tolist() == pytest.approx([1, 0.8, TURNS[7], 5 / 31, 2 / 31])


def test_the_last_orientation_of_the_grid_is_the_first() -> None:
    first = torch.arange(0, 737_280, 40 * 1024) + 37
    pictures = [lit(Sprites(), Sprites().grid(rows).latents) for rows in (first, first + 39 * 1024)]
    assert torch.equal(*pictures)
    assert Sprites().grid(first + 39 * 1024).values[:, 3].unique().tolist() == [2 * math.pi]


def test_pictures_of_the_grid_differ_but_where_orientations_do_not() -> None:
    hearts = Sprites(shapes=("heart",))
    rows = torch.arange(0, 245_760, 1024)
    pictures = lit(hearts, hearts.grid(rows).latents).flatten(1)
    assert len(pictures.unique(dim=0)) == 6 * 39


def test_a_choice_of_shapes_keeps_their_pictures_and_their_places_in_the_table() -> None:
    some = Sprites(shapes=("heart", "square"))
    grid, whole = some.grid(), Sprites().grid()
    assert len(grid.classes) == 2 * 245_760
    assert torch.equal(grid.classes, torch.cat([whole.classes[2 * 245_760 :], whole.classes[:245_760]]))
    rows = torch.tensor([5, 100_000, 245_760, 400_000])
    same = torch.tensor([2 * 245_760 + 5, 2 * 245_760 + 100_000, 0, 400_000 - 245_760])
    assert torch.equal(lit(some, grid.latents[rows]), lit(Sprites(), whole.latents[same]))
    assert Sprites(shapes=("ellipse",)).sample(100, torch.Generator())[:, 0].unique().tolist() == [0]
    assert Sprites(shapes=("ellipse",)).factors[0].size == 1


def test_rows_that_the_table_lacks() -> None:
    for row in (-1, 737_280):
        with pytest.raises(ValueError, match="0 to 737,279"):
            Sprites().grid(torch.tensor([row]))


def test_hearts_point_down_and_turn_counterclockwise() -> None:
    for turn, side in ((0, "down"), (math.pi / 2, "right"), (math.pi, "up"), (3 * math.pi / 2, "left")):
        [picture] = lit(Sprites(), [(2, 1, turn, 0.5, 0.5)])
        counts = {"down": picture.sum(1), "right": picture.sum(0)}
        counts |= {"up": counts["down"].flip(0), "left": counts["right"].flip(0)}
        widths = counts[side][counts[side] > 0]
        assert widths[-1] <= 2
        assert widths[: len(widths) // 2].sum() > 1.5 * widths[len(widths) // 2 :].sum()


def test_command_line() -> None:
    chosen = chz.Blueprint(Sprites).make_from_argv(["shapes=square,heart", "size=32"])
    assert chosen == Sprites(shapes=("square", "heart"), size=32)
