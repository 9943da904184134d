"""The 3DIdent scene in Blender: a script that runs in a process of its own and imports nothing of kontrast.

`python blender_scene.py FOLDER` reads `job.json`, `scenes.npy`, `corners.npy` and `faces.npy` from the folder and
writes one PNG per scene (`000000.png`, ...) beside them, each under a temporary name first, so that a picture that is
there is whole. Cycles renders direct light only, as the source of 3DIdent does.

A row of `scenes.npy` is a scene: x, y, z of the object and its three Euler angles (XYZ, radians), the angle of the
spotlight (radians), and the hues of object, spotlight and ground (a full turn is 1).

`job.json` holds the numbers of the scene, so that they are written down once, in the package. Its `what` is "picture"
for the scene or "coverage" for the share of each pixel that the object covers (in the alpha of the PNG).
"""

import colorsys
import json
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np


def rubber(bpy: Any, name: str, numbers: dict[str, Any]) -> Any:
    """A new material of rubber; its color is the input "Color" of the nodes "Diffuse" and "Velvet".

    Diffuse turns into velvet by the Fresnel factor of one index of refraction, and both into a gray gloss (Beckmann)
    by that of a smaller one.
    """
    material = bpy.data.materials.new(name)
    if material.node_tree is None:
        material.use_nodes = True
    nodes, link = material.node_tree.nodes, material.node_tree.links.new
    nodes.clear()

    diffuse = nodes.new("ShaderNodeBsdfDiffuse")
    diffuse.name, diffuse.inputs["Roughness"].default_value = "Diffuse", 0.0
    velvet = nodes.new("ShaderNodeBsdfSheen")
    velvet.name, velvet.distribution = "Velvet", "ASHIKHMIN"
    velvet.inputs["Roughness"].default_value = numbers["velvet"]
    gloss = nodes.new("ShaderNodeBsdfAnisotropic")  # the glossy shader, with or without a direction
    gloss.distribution = "BECKMANN"
    gloss.inputs["Color"].default_value = (numbers["gloss_gray"],) * 3 + (1.0,)
    gloss.inputs["Roughness"].default_value = numbers["gloss"]

    surface = diffuse
    for other, index in ((velvet, numbers["velvet_index"]), (gloss, numbers["gloss_index"])):
        fresnel, mix = nodes.new("ShaderNodeFresnel"), nodes.new("ShaderNodeMixShader")
        fresnel.inputs["IOR"].default_value = index
        link(fresnel.outputs[0], mix.inputs[0])
        link(surface.outputs[0], mix.inputs[1])
        link(other.outputs[0], mix.inputs[2])
        surface = mix
    link(surface.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


def paint(material: Any, hue: float, saturation: float) -> None:
    """Give a material of rubber the color of a hue at full value."""
    color = (*colorsys.hsv_to_rgb(hue % 1.0, saturation, 1.0), 1.0)
    for name in ("Diffuse", "Velvet"):
        material.node_tree.nodes[name].inputs["Color"].default_value = color


def mesh(bpy: Any, name: str, corners: list[Any], faces: list[Any], smooth: bool) -> Any:
    """A new object of the scene made of corners and faces."""
    shape = bpy.data.meshes.new(name)
    shape.from_pydata(corners, [], faces)
    shape.polygons.foreach_set("use_smooth", [smooth] * len(shape.polygons))
    shape.update()
    thing = bpy.data.objects.new(name, shape)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def lamp(bpy: Any, name: str, kind: str, place: tuple[float, ...], numbers: dict[str, Any]) -> Any:
    """A new lamp of the scene that shines straight down; `numbers` are its settings as Blender names them."""
    light = bpy.data.lights.new(name, kind)
    for key, value in numbers.items():
        setattr(light, key, value)
    thing = bpy.data.objects.new(name, light)
    thing.location = place
    bpy.context.scene.collection.objects.link(thing)
    return thing


def aim(thing: Any, target: tuple[float, ...], up: str) -> None:
    """Turn a camera or a lamp so that it looks at a point."""
    from mathutils import Vector

    thing.rotation_euler = (Vector(target) - thing.location).to_track_quat("-Z", up).to_euler()


def engine(bpy: Any, job: dict[str, Any]) -> None:
    """Set Cycles up: direct light only, no adaptive sampling, plain sRGB pictures."""
    scene, cycles = bpy.context.scene, bpy.context.scene.cycles
    scene.render.engine = "CYCLES"
    coverage = job["what"] == "coverage"
    for name, value in {
        "device": "CPU",
        "samples": job["samples"],
        "seed": 0,
        "use_adaptive_sampling": False,
        "use_denoising": not coverage,
        "max_bounces": 0,
        "transparent_max_bounces": 8,
        "blur_glossy": 2.0,
        "use_light_tree": False,
        "light_sampling_threshold": 0.0,
        "sample_clamp_direct": 0.0,
        "pixel_filter_type": "BLACKMAN_HARRIS",
        "filter_width": 1.5,
    }.items():
        setattr(cycles, name, value)
    render = scene.render
    render.resolution_x = render.resolution_y = job["size"]
    render.resolution_percentage = 100
    render.dither_intensity = 0.0
    render.film_transparent = coverage
    render.use_persistent_data = True
    render.threads_mode, render.threads = "FIXED", job["threads"]
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA" if coverage else "RGB"
    render.image_settings.color_depth = "8"
    scene.display_settings.display_device = "sRGB"
    scene.view_settings.view_transform, scene.view_settings.look = "Standard", "None"


def build(bpy: Any, folder: Path, job: dict[str, Any]) -> tuple[Any, Any, Any]:
    """The scene without its latents: the object, the spotlight, and the ground."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    engine(bpy, job)
    world = bpy.data.worlds.new("Dark")
    if world.node_tree is None:
        world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.0
    bpy.context.scene.world = world

    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location = job["camera"]
    camera.data.lens, camera.data.sensor_width, camera.data.clip_end = job["lens"], job["sensor"], 1000.0
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    aim(camera, (0.0, 0.0, 0.0), "Y")

    corners, faces = np.load(folder / "corners.npy").tolist(), np.load(folder / "faces.npy").tolist()
    thing = mesh(bpy, "Object", corners, faces, smooth=True)
    thing.data.materials.append(rubber(bpy, "Object", job))
    far, low = job["ground_side"] / 2, job["ground"]
    ground = mesh(
        bpy, "Ground", [(-far, -far, low), (far, -far, low), (far, far, low), (-far, far, low)], [(0, 1, 2, 3)], False
    )
    ground.data.materials.append(rubber(bpy, "Ground", job))
    ground.hide_render = job["what"] == "coverage"

    lamp(bpy, "Sun", "SUN", (0.0, 0.0, 25.0), job["sun"])
    lamp(bpy, "Area", "AREA", job["area_place"], job["area"])
    spot = lamp(bpy, "Spot", "SPOT", (0.0, 0.0, 0.0), job["spot"])
    return thing, spot, ground


def arrange(thing: Any, spot: Any, ground: Any, row: list[float], job: dict[str, Any]) -> None:
    """Put the latents of one scene into it."""
    x, y, z, alpha, beta, gamma, theta, hue, spot_hue, ground_hue = row
    thing.location = (x, y, z + job["lift"])
    thing.rotation_mode, thing.rotation_euler = "XYZ", (alpha, beta, gamma)
    paint(thing.data.materials[0], hue, job["saturation"][0])
    spot.location = (
        job["spot_radius"] * math.sin(theta),
        job["spot_radius"] * math.cos(theta),
        job["spot_height"],
    )
    aim(spot, tuple(thing.location), "X")
    spot.data.color = colorsys.hsv_to_rgb(spot_hue % 1.0, job["saturation"][1], 1.0)
    paint(ground.data.materials[0], ground_hue, job["saturation"][2])


def main(folder: Path) -> int:
    """Render every scene of the folder; the status with which the process ends.

    Where the process that wanted the pictures has gone, so does the folder.
    """
    try:
        import bpy
    except ImportError as error:
        print(error)
        return 77
    parent = os.getppid()
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    parts = build(bpy, folder, job)
    for number, row in enumerate(np.load(folder / "scenes.npy").tolist()):
        if os.getppid() != parent:
            shutil.rmtree(folder, ignore_errors=True)
            return 1
        arrange(*parts, row, job)
        bpy.context.scene.render.filepath = str(folder / "unfinished.png")
        bpy.ops.render.render(write_still=True)
        os.replace(folder / "unfinished.png", folder / f"{number:06d}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
