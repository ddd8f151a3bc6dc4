"""Draws a human figure of jointed, textured limbs into an image.

A distant camera shows a 3-D skeleton. Body axes: x to the figure's left, y up, z forward. Lengths are in body heights,
the ground is y = 0, angles are in degrees. Each body part is a tapered cylinder whose texture turns with the body, so
a spin shows the face, then the back of the head.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32] | NDArray[np.float64]

THIGH, SHANK, FOOT = 0.245, 0.235, 0.115
UPPER_ARM, FOREARM, HAND = 0.165, 0.145, 0.065
TRUNK, SHOULDER_HALF_WIDTH, HIP_HALF_WIDTH = 0.29, 0.115, 0.06
ANKLE_HEIGHT = 0.035
AROUND = 96  # texture columns around a body part; column 0 faces forward


class Pose(NamedTuple):
    """One moment of a movement.

    limbs: (4, 4) degrees; rows left arm, right arm, left leg, right leg; columns
        swing (forward from hanging, 180 = up), spread (sideways from hanging), turn (of the limb about its own
        axis, outwards), bend (of elbow or knee).
    trunk: (3,) degrees: lean (forward), tilt (to the left), twist (of the shoulders to the left).
    yaw: degrees; 0 faces the viewer, 90 the figure's left, which is the viewer's right.
    lift: body heights of the lower foot above the ground.
    travel: body heights that the figure has walked since phase 0.
    """

    limbs: NDArray[np.float64]
    trunk: NDArray[np.float64]
    yaw: float = 0.0
    lift: float = 0.0
    travel: float = 0.0


class Part(NamedTuple):
    """A tapered cylinder between two joints: texture name, radii at both ends and bias of the drawing order."""

    start: str
    end: str
    texture: str
    radius: tuple[float, float]
    nearer: float = 0.0


PARTS = (
    *(
        part
        for side in ("left", "right")
        for part in (
            Part(f"{side} hip", f"{side} knee", "thigh", (0.060, 0.046), -0.01),
            Part(f"{side} knee", f"{side} ankle", "shank", (0.045, 0.031)),
            Part(f"{side} ankle", f"{side} toe", "shoe", (0.034, 0.028), 0.01),
            Part(f"{side} shoulder", f"{side} elbow", "sleeve", (0.046, 0.034), 0.02),
            Part(f"{side} elbow", f"{side} wrist", "forearm", (0.034, 0.026), 0.03),
            Part(f"{side} wrist", f"{side} finger", "hand", (0.026, 0.026), 0.03),
        )
    ),
    Part("neck", "chin", "neck", (0.036, 0.036), -0.02),
    Part("neck", "pelvis", "shirt", (0.118, 0.092), 0.0),
    Part("crown", "chin", "head", (0.066, 0.056), 0.025),
)


def rotation(axis: int, degrees: float) -> NDArray[np.float64]:
    """The (3, 3) right-handed rotation about axis 0, 1 or 2."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def skeleton(pose: Pose) -> dict[str, NDArray[np.float64]]:
    """Joint positions (3,) in body heights, turned by the yaw, with the lower foot `pose.lift` above ground."""
    lean, tilt, twist = pose.trunk
    trunk = rotation(2, -tilt) @ rotation(0, lean) @ rotation(1, twist)
    joints = {"pelvis": np.zeros(3)}
    joints["neck"] = trunk @ (0.0, TRUNK, 0.0)
    joints["chin"] = joints["neck"] + trunk @ (0.0, 0.075, 0.012)
    joints["crown"] = joints["neck"] + trunk @ (0.0, 0.145, 0.016)
    for row, name in enumerate(("left", "right")):
        side = 1 - 2 * row
        shoulder = trunk @ (side * SHOULDER_HALF_WIDTH, TRUNK - 0.035, 0.0)
        joints[f"{name} shoulder"] = shoulder
        upper, lower = _limb(pose.limbs[row], side, hinge=1)
        joints[f"{name} elbow"] = shoulder + trunk @ upper @ (0.0, -UPPER_ARM, 0.0)
        joints[f"{name} wrist"] = joints[f"{name} elbow"] + trunk @ lower @ (0.0, -FOREARM, 0.0)
        joints[f"{name} finger"] = joints[f"{name} wrist"] + trunk @ lower @ (0.0, -HAND, 0.0)
        hip = np.array([side * HIP_HALF_WIDTH, -0.01, 0.0])
        joints[f"{name} hip"] = hip
        upper, lower = _limb(pose.limbs[2 + row], side, hinge=-1)
        joints[f"{name} knee"] = hip + upper @ (0.0, -THIGH, 0.0)
        joints[f"{name} ankle"] = joints[f"{name} knee"] + lower @ (0.0, -SHANK, 0.0)
        swing, bend = pose.limbs[2 + row, 0], pose.limbs[2 + row, 3]
        foot = rotation(1, side * 14) @ rotation(0, -0.45 * (swing - bend))  # the ankle keeps the sole nearly flat
        joints[f"{name} toe"] = joints[f"{name} ankle"] + foot @ (0.0, 0.0, FOOT)
    lowest = min(joints[f"{side} {end}"][1] for side in ("left", "right") for end in ("ankle", "toe"))
    turned = rotation(1, pose.yaw)
    raised = np.array([0.0, ANKLE_HEIGHT + pose.lift - lowest, 0.0])
    return {name: turned @ (point + raised) for name, point in joints.items()}


def _limb(angles: NDArray[np.float64], side: int, hinge: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotations of the upper and the lower segment of an arm (hinge 1) or a leg (hinge -1) from hanging down."""
    swing, spread, turn, bend = angles
    upper = rotation(0, -swing) @ rotation(2, side * spread) @ rotation(1, side * turn)
    return upper, upper @ rotation(0, -hinge * bend)


@dataclass(frozen=True)
class Sprite:
    """A body part unrolled: texture (rows, AROUND, 3) and, per sprite pixel, coverage and two terms of shading."""

    texture: NDArray[np.float32]
    alpha: NDArray[np.float32]  # (rows, cols) 0..1
    round_shade: NDArray[np.float32]  # (rows, cols): falls off towards both edges
    side_shade: NDArray[np.float32]  # (rows, cols): -1 at the left edge to 1 at the right
    columns: NDArray[np.float64]  # (cols,) texture column under each sprite column when facing the viewer

    def shaded(self, yaw: float, sidelight: float) -> NDArray[np.float32]:
        """RGB (rows, cols, 3), premultiplied by alpha, of the part turned by yaw, with `sidelight` from its right."""
        columns = np.round(self.columns - yaw / 360 * AROUND).astype(int) % AROUND
        light = ((self.round_shade + sidelight * self.side_shade) * self.alpha).astype(np.float32)
        return self.texture.take(columns, axis=1) * _in_three(light)


def sprite(texture: NDArray[np.float32], cols: int, profile: Floats) -> Sprite:
    """The sprite of a part; profile: (rows,) half width of the part along its axis, 0..1 of the sprite's."""
    rows = len(texture)
    x = ((np.arange(cols) + 0.5) / cols * 2 - 1) * (1 + 2 / cols)  # one empty pixel at either edge
    within = x[None, :] / np.maximum(profile[:, None], 1e-3)
    alpha = np.clip((1 - np.abs(within)) * profile[:, None] * cols / 2 + 0.5, 0, 1)
    alpha[[0, -1]] = 0
    across = np.clip(within, -1, 1)
    return Sprite(
        np.ascontiguousarray(texture, np.float32),
        alpha.astype(np.float32),
        (1.08 - 0.5 * across**2 - 0.12 * across**4).astype(np.float32),
        np.broadcast_to(across, (rows, cols)).astype(np.float32),
        np.arcsin(np.clip(x, -1, 1)) / (2 * np.pi) * AROUND,
    )


def capsule_profile(rows: int, cap: float, start: float, end: float) -> NDArray[np.float64]:
    """Half widths (rows,) of a cylinder tapering from start to end, with round caps of cap (0..0.5 of its length)."""
    v = (np.arange(rows) + 0.5) / rows
    from_end = np.minimum(v, 1 - v) / cap
    return np.asarray(np.sqrt(1 - np.clip(1 - from_end, 0, 1) ** 2) * (start + (end - start) * v))


class Figure:
    """A person with clothes, skin and hair drawn from `rng`, `height` pixels tall."""

    def __init__(self, rng: np.random.Generator, height: float) -> None:
        """Draws random looks and computes the textures of the body parts."""
        self.height = height
        self.light = rng.uniform(-0.3, 0.3)
        self.sprites = _sprites_of_person(rng, height)

    def draw(
        self, canvas: NDArray[np.float32], pose: Pose, camera: Floats, feet: tuple[float, float], mirrored: bool
    ) -> NDArray[np.float64]:
        """Draws the figure on canvas (H, W, 3) float32 0..255, in place.

        camera: (2, 3) map from scene to canvas pixels; feet: scene pixel between the feet at travel 0.
        Returns the box x1 y1 x2 y2 around the figure in canvas pixels, not clipped.
        """
        joints = skeleton(pose)
        hand = -1.0 if mirrored else 1.0
        zoom = float(np.hypot(camera[0, 0], camera[1, 0]))
        points = {name: self._project(joint, pose, camera, feet, hand) for name, joint in joints.items()}
        ground = np.mean([joints["left ankle"], joints["right ankle"]], axis=0) * (1, 0, 1)
        self._draw_shadow(canvas, self._project(ground, pose, camera, feet, hand), zoom, pose.lift)
        depth = {part: (joints[part.start][2] + joints[part.end][2]) / 2 + part.nearer for part in PARTS}
        corners = []
        for part in sorted(PARTS, key=lambda part: depth[part]):
            radii = np.array(part.radius) * self.height * zoom
            if part.texture == "shirt":  # a trunk is broader than deep
                broad = float(np.hypot(np.cos(np.radians(pose.yaw)), 0.66 * np.sin(np.radians(pose.yaw))))
            else:
                broad = 1.0
            start, end = points[part.start], points[part.end]
            _draw_part(canvas, self.sprites[part.texture], start, end, radii, broad, hand * pose.yaw, self.light)
            reach = radii.max() * (0.7 if part.texture == "shirt" else 0.95)
            corners += [start - reach, start + reach, end - reach, end + reach]
        return np.concatenate([np.min(corners, axis=0), np.max(corners, axis=0)])

    def _project(
        self, joint: Floats, pose: Pose, camera: Floats, feet: tuple[float, float], hand: float
    ) -> NDArray[np.float64]:
        """The canvas pixel of a joint, seen from slightly above."""
        forward = pose.travel * np.sin(np.radians(pose.yaw))
        scale = self.height / (1 - 0.12 * joint[2])
        x = feet[0] + hand * (scale * joint[0] + self.height * forward)
        y = feet[1] - scale * joint[1] + 0.16 * self.height * joint[2]
        return np.asarray(camera @ (x, y, 1.0))

    def _draw_shadow(self, canvas: NDArray[np.float32], centre: Floats, zoom: float, lift: float) -> None:
        """Draws the shadow below the feet, which is weaker during a jump."""
        rx, ry = 0.2 * self.height * zoom, 0.05 * self.height * zoom
        reach = np.array([rx, ry])
        x1, y1 = np.maximum(np.floor(centre - reach).astype(int), 0)
        x2, y2 = np.minimum(np.ceil(centre + reach).astype(int) + 1, canvas.shape[1::-1])
        if x1 >= x2 or y1 >= y2:
            return
        y, x = np.mgrid[y1:y2, x1:x2]
        distance = ((x - centre[0]) / rx) ** 2 + ((y - centre[1]) / ry) ** 2
        darkness = 0.55 / (1 + 5 * lift) * np.clip(1 - distance, 0, 1)
        canvas[y1:y2, x1:x2] *= _in_three((1 - darkness).astype(np.float32))


def _draw_part(
    canvas: NDArray[np.float32],
    part: Sprite,
    start: Floats,
    end: Floats,
    radii: NDArray[np.float64],
    broad: float,
    yaw: float,
    light: float,
) -> None:
    """Blends a part's sprite into the canvas, from `start` to `end` (pixels)."""
    axis = end - start
    length = float(np.hypot(*axis))
    along = axis / length if length > 1e-6 else np.array([0.0, 1.0])
    across = np.array([along[1], -along[0]])  # for a hanging limb, x of sprite and image agree
    first, last = start - along * radii[0] * 0.8, end + along * radii[1] * 0.8
    rows, cols = part.alpha.shape
    width = 2 * radii.max() * broad * (1 + 2 / cols)
    step_x, step_y = across * width / cols, (last - first) / rows
    origin = first - across * width / 2 + (step_x + step_y) / 2
    corners = np.array([first - across * width / 2, first + across * width / 2, last - across * width / 2,
                        last + across * width / 2])  # fmt: skip
    x1, y1 = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    x2, y2 = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, canvas.shape[1::-1])
    if x1 >= x2 or y1 >= y2:
        return
    matrix = np.column_stack([step_x, step_y, origin - (x1, y1)])
    size = int(x2 - x1), int(y2 - y1)
    region = canvas[y1:y2, x1:x2]
    region *= _in_three(1 - cv2.warpAffine(part.alpha, matrix, size))
    region += cv2.warpAffine(part.shaded(yaw, light * across[0]), matrix, size)


def _in_three(values: NDArray[Any]) -> NDArray[np.float32]:
    """Values (H, W) as (H, W, 3), one per color: products of arrays of one shape are several times as fast."""
    return np.asarray(cv2.merge([values] * 3), np.float32)


def _sprites_of_person(rng: np.random.Generator, height: float) -> dict[str, Sprite]:
    """Sprites of one person: skin and hair, a patterned shirt, trousers and shoes."""
    skin = np.array(SKIN[rng.integers(len(SKIN))]) * rng.uniform(0.92, 1.05)
    hair = np.array(HAIR[rng.integers(len(HAIR))])
    shirt, accent = _color(rng), _color(rng)
    trousers, shoes = _color(rng) * 0.75, _color(rng)
    long_sleeves, long_trousers = rng.random() < 0.5, rng.random() < 0.75
    pattern = PATTERNS[rng.integers(len(PATTERNS))]
    pixel = height / 110  # so that patterns scale with the figure

    def cloth(length: float, base: Floats, other: Floats, kind: str) -> NDArray[np.float32]:
        return _cloth(rng, round(length * height) + 4, base, other, kind, pixel)

    lengths = {"thigh": THIGH, "shank": SHANK, "shoe": FOOT, "sleeve": UPPER_ARM, "forearm": FOREARM, "hand": HAND}
    legs, seam = ("denim", trousers * 0.6)
    textures = {
        "thigh": cloth(THIGH + 0.1, trousers, seam, legs),
        "shank": cloth(SHANK + 0.07, trousers if long_trousers else skin, seam, legs if long_trousers else "skin"),
        "shoe": cloth(FOOT + 0.06, shoes, np.full(3, 235.0), "shoe"),
        "sleeve": cloth(UPPER_ARM + 0.07, shirt, accent, pattern),
        "forearm": cloth(FOREARM + 0.05, shirt if long_sleeves else skin, accent, pattern if long_sleeves else "skin"),
        "hand": cloth(HAND + 0.05, skin, skin, "skin"),
        "neck": cloth(0.12, skin * 0.85, skin, "skin"),
    }
    sprites = {}
    for part in PARTS:
        if part.texture in textures:
            texture = textures[part.texture]
            length = lengths.get(part.texture, 0.075) + sum(part.radius) * 0.8
            start, end = np.array(part.radius) / max(part.radius)
            cols = max(6, round(2.2 * max(part.radius) * height))
            sprites[part.texture] = sprite(
                texture, cols, capsule_profile(len(texture), min(0.5, max(part.radius) / length), start, end)
            )
    shirt_texture = cloth(TRUNK + 0.17, shirt, accent, pattern)
    rows = len(shirt_texture)
    shirt_texture[round(0.86 * rows) :] = _cloth(rng, rows, trousers, seam, legs, pixel)[round(0.86 * rows) :]
    trunk = np.interp(
        np.arange(rows) / rows, [0, 0.04, 0.12, 0.2, 0.55, 0.8, 0.93, 1], [0.2, 0.45, 0.9, 1, 0.8, 0.84, 0.8, 0.3]
    )
    sprites["shirt"] = sprite(shirt_texture, round(0.26 * height), trunk)
    sprites["head"] = _head(rng, skin, hair, height)
    return sprites


def _head(rng: np.random.Generator, skin: Floats, hair: Floats, height: float) -> Sprite:
    """The face in front, the hair on top and behind; rows from crown to chin."""
    rows = round(0.17 * height) + 2
    v = ((np.arange(rows) + 0.5) / rows)[:, None]
    u = (np.arange(AROUND)[None, :] + AROUND / 2) % AROUND / AROUND * 2 - 1  # -1..1, 0 in front
    texture = np.broadcast_to(skin, (rows, AROUND, 3)).copy()
    hairline = 0.3 + 0.5 * np.clip((np.abs(u) - 0.28) / 0.15, 0, 1) * rng.uniform(0.75, 1.1)
    strands = rng.uniform(0.75, 1.15, (1, AROUND, 1))
    texture = np.where((v < hairline)[..., None], hair * strands, texture)
    eye = (np.abs(np.abs(u) - 0.13) < 0.05) & (np.abs(v - 0.5) < 0.05)
    mouth = (np.abs(u) < 0.1) & (np.abs(v - 0.78) < 0.035)
    nose = (np.abs(u) < 0.035) & (np.abs(v - 0.62) < 0.08)
    texture[eye] = (35, 28, 25)
    texture[mouth] = (150, 60, 60)
    texture[nose] = skin * 0.85
    profile = np.sqrt(np.clip(1 - (2 * v[:, 0] - 1) ** 2, 0, 1)) * np.interp(v[:, 0], [0, 0.4, 1], [1, 1, 0.88])
    return sprite(texture.astype(np.float32), round(0.14 * height), profile)


SKIN = ((240, 200, 172), (224, 172, 138), (198, 140, 104), (150, 100, 70), (105, 70, 50), (255, 214, 190))
HAIR = ((40, 30, 25), (80, 52, 30), (150, 105, 55), (205, 170, 105), (120, 45, 25), (110, 110, 112))
PATTERNS = ("stripes", "checks", "bars", "blotches", "print")


def _color(rng: np.random.Generator) -> NDArray[np.float64]:
    """A random clothes color (3,) 0..255, any hue, from pale to strong and dark to light."""
    hue, saturation, value = rng.uniform(0, 180), rng.uniform(40, 220), rng.uniform(70, 245)
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)


def _cloth(
    rng: np.random.Generator, rows: int, base: Floats, other: Floats, kind: str, pixel: float
) -> NDArray[np.float32]:
    """A (rows, AROUND, 3) texture of the color `base` with a pattern of color `other`; pixel: scale of the pattern."""
    v, u = np.mgrid[0:rows, 0:AROUND]
    v = v / pixel
    if kind == "stripes":
        mix = (v % 9 < 4).astype(float)
    elif kind == "checks":
        mix = 0.5 * (v % 10 < 5) + 0.5 * (u % 12 < 6)
    elif kind == "bars":
        mix = (u % 12 < 5).astype(float)
    elif kind == "blotches":
        spots = rng.random((max(2, round(rows / pixel / 6)), AROUND // 8)).astype(np.float32)
        mix = (cv2.resize(spots, (AROUND, rows), interpolation=cv2.INTER_CUBIC) > 0.55).astype(float)
    elif kind == "print":  # a sign on the chest and the back
        centre = rows / pixel * 0.4
        round_sign = ((np.minimum(u, AROUND - u) / 11) ** 2 + ((v - centre) / 9) ** 2) < 1
        mix = 0.9 * (round_sign | (np.abs(u - AROUND / 2) < 10) & (np.abs(v - centre) < 7))
    elif kind == "shoe":
        mix = 0.8 * ((v % 6 < 2) & (u < AROUND / 2))
    else:  # denim and skin
        mix = np.zeros((rows, AROUND))
    grain = 0.05 if kind == "skin" else 0.12
    folds = cv2.resize(rng.standard_normal((max(2, rows // 6), 12)).astype(np.float32), (AROUND, rows))
    shade = np.clip(1 + grain * folds + 0.4 * grain * rng.standard_normal((rows, AROUND)), 0.5, 1.4)
    colors = np.asarray(base) * (1 - mix[..., None]) + np.asarray(other) * mix[..., None]
    return np.clip(colors * shade[..., None], 0, 255).astype(np.float32)
