import math

import numpy as np
import torch

from kontrast.datasets.teapot import drawing, light, patches, scene, solids
from kontrast.datasets.teapot.rubber import reflected
from kontrast.datasets.teapot.solids import solid

CPU = torch.device("cpu")
HALF = math.pi / 2


def test_the_mesh_is_as_large_as_published():
    corners, triangles = patches.mesh(8)
    assert np.allclose(np.ptp(corners, axis=0), 1.5 * np.array([2.96141, 2.96141, 1.99926]), atol=0.01)
    assert np.allclose([corners[:, 2].min(), corners[:, 2].max()], [1.5 * -0.90669, 1.5 * 1.09257], atol=0.01)
    assert triangles.max() < len(corners)
    spout = corners[corners @ [1, -1, 0] > (corners @ [1, -1, 0]).max() - 0.3]
    assert spout[:, 2].mean() > 0.4


def test_distances_to_the_teapot_are_those_to_its_points():
    held = solid("teapot", CPU)
    every = np.concatenate(
        [patches.surface(part, 40).points for part in (patches.SHELL, patches.HANDLE, patches.SPOUT)]
    )
    points = np.random.default_rng(0).uniform(-2.2, 2.2, (300, 3))
    naive = np.array([np.linalg.norm(every - point, axis=1).min() for point in points])
    found = held.at(torch.from_numpy(points).float()).numpy()
    # Beside, above and below the body, whose inside has no surface of its own.
    outside = (np.linalg.norm(points[:, :2], axis=1) > 1.92) | (points[:, 2] > 1.1) | (points[:, 2] < -1.37)
    assert outside.sum() > 150
    assert np.abs(found - naive)[outside & (found > 0)].max() < 0.05
    assert (held.at(torch.tensor([[0.0, 0.0, -0.4], [0.5, 0.5, -0.2], [0.0, 0.0, 1.5]])) < 0).all()
    assert (held.at(torch.tensor([[0.0, 0.0, 1.75], [2.2, 2.2, 0.0]])) > 0).all()


def test_a_teapot_is_measured_once(tmp_path, monkeypatch):
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path))
    monkeypatch.setattr(solids, "cache", lambda: tmp_path)
    asked = []
    monkeypatch.setattr(solids, "_measured", lambda name: asked.append(name) or torch.zeros((solids.CELLS,) * 3))
    solids._kept("teapot")
    solids._kept("teapot")
    assert asked == ["teapot"]
    (kept,) = (tmp_path / "solids").iterdir()
    kept.write_bytes(b"\x93NUMPY nothing")
    solids._kept("teapot")
    assert asked == ["teapot"] * 2


def points(places, latents, surface=2, start=0.08):
    """Points of the ground of one scene."""
    held, count = scene.scene(latents), len(places)
    up = torch.tensor([0.0, 0, 1]).repeat(count, 1)
    view = torch.nn.functional.normalize(torch.tensor(scene.CAMERA) - places, dim=1)
    same = torch.zeros(count, dtype=torch.int64)
    colors = held.colors[same]
    return light.Points(places, up, view, colors[:, surface], held.center[same], held.turn[same], held.spot[same],
                        colors[:, 1], start)  # fmt: skip


def test_soft_shadows_are_the_share_of_rays_to_the_lamp_that_pass():
    latents, generator = torch.zeros(1, 10), np.random.default_rng(0)
    latents[0, 6] = 0.4
    across = torch.linspace(-3.5, 3.5, 15)
    places = torch.cartesian_prod(across, across)
    places = torch.cat([places, torch.full((len(places), 1), scene.GROUND)], 1)
    some = points(places, latents)
    way, away = light._toward(some, some.spot)
    found = light.seen(some, solid("sphere", CPU), light.Lamp(way, away, 0.5, torch.ones_like(away))).numpy()
    # Rays to points of a disk that faces the place, beside a ball of radius r: those that pass it are counted.
    radius, center = solids.HALF / 1.2, np.array([0.0, 0.0, scene.LIFT])
    turn, apart = generator.uniform(0, math.tau, 400), 0.5 * np.sqrt(generator.uniform(0, 1, 400))
    for place, share in zip(places.double().numpy(), found, strict=True):
        axis = some.spot[0].double().numpy() - place
        axis /= np.linalg.norm(axis)
        right = np.cross(axis, [0, 1, 0]) / np.linalg.norm(np.cross(axis, [0, 1, 0]))
        lamp = some.spot[0].numpy() + apart[:, None] * (
            np.cos(turn)[:, None] * right + np.sin(turn)[:, None] * np.cross(axis, right)
        )
        ways = (lamp - place) / np.linalg.norm(lamp - place, axis=1, keepdims=True)
        passes = np.linalg.norm(np.cross(center - place, ways), axis=1) > radius
        assert abs(passes.mean() - share) < 0.12
    assert found.min() < 0.01 and found.max() == 1


def sent(some, way):
    """What points send of white light per irradiance, [m, 3]."""
    colored, plain = reflected(some.normal, some.view, way)
    return colored[:, None] * some.color + plain[:, None]


def test_what_is_known_of_the_steady_lamps_changes_no_light_on_the_ground():
    held, generator = solid("teapot", CPU), torch.Generator().manual_seed(0)
    places = 8 * torch.rand(300, 3, generator=generator) - 4
    places[:, 2] = scene.GROUND
    some = points(places, torch.tensor([[0.5, -1, 0, 0.3, 0, 0, 0.4, 0, 0.7, 0.2]]))
    torch.testing.assert_close(light.lit_ground(some, held, light.steady(some)), light.lit(some, held))


def test_light_on_the_ground_is_that_of_its_lamps():
    """The sun, P cos^2 / (pi d^2) of the square lamp, and the spotlight in its cone alone."""
    latents = torch.tensor([[3.0, 3, 3, 0, 0, 0, -HALF, 0, 0.7, 0.2]])
    places = torch.tensor([[-2.0, -3.0, scene.GROUND], [1.0, -3.0, scene.GROUND]])
    some = points(places, latents)
    found = light.lit(some, solid("sphere", CPU))
    one = torch.zeros(2, 3)
    for lamp, power in (((0, 0, 7.0), 39.2699 / math.pi), (tuple(some.spot[0].tolist()), 0.0)):
        toward = torch.tensor(lamp) - places
        away = toward.norm(dim=1)
        cosine = toward[:, 2] / away
        one += (power * cosine / away**2)[:, None] * sent(some, toward / away[:, None])
    up = torch.tensor([[0.0, 0, 1]] * 2)
    torch.testing.assert_close(found, one + 0.5 * sent(some, up), rtol=1e-3, atol=1e-5)
    along = some.center[:1] - some.spot[:1]
    under = some.spot[:1] + along * (scene.GROUND - some.spot[0, 2]) / along[0, 2]
    below = points(under, latents)
    assert light.cone(below, *light._toward(below, below.spot)) == 1
    assert (light.cone(some, *light._toward(some, some.spot)) == 0).all()


def test_the_object_is_where_the_camera_sees_it():
    latents = torch.tensor([[0.0, 0, 0] + [0.0] * 7, [1.0, -2, -2] + [0.0] * 7, [-2.0, 2, 1] + [0.0] * 7])
    held = scene.scene(latents)
    found, _ = drawing._object(held, solid("sphere", CPU), 128)
    for number, center in enumerate(held.center.tolist()):
        pixels = found[(found >= number * 128**2) & (found < (number + 1) * 128**2)] - number * 128**2
        x, y, z = center
        depth = (8 - x + 8 - z) / math.sqrt(2)
        right, up = y, (-(x - 8) + (z - 8)) / math.sqrt(2)
        u, v = (1 + right / depth * 35 / 25) / 2 * 128, (1 - up / depth * 35 / 25) / 2 * 128
        assert abs((pixels % 128).float().mean() + 0.5 - u) < 2
        assert abs((pixels // 128).float().mean() + 0.5 - v) < 2
