"""The places of the generated videos: painted pictures that are larger than the view of the camera.

A painter takes a random generator, the size of the picture and the row of the horizon (where floor and
background meet) and returns RGB (height, width, 3), uint8. Sizes of objects are proportional to the picture's height.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from workflow_scripts.synthetic.strokes import Color, Picture, box, disc, finish, flat, floor_grid, noise, vary

Painter = Callable[[np.random.Generator, int, int, int], Picture]


def brick_wall(rng: np.random.Generator, width: int, height: int, horizon: int) -> Picture:
    """A street: brick wall with doors, windows and posters, pavement in front of it."""
    picture = np.zeros((height, width, 3), np.float32)
    brick_h, brick_w = height / 30, height / 13
    y, x = np.mgrid[0:horizon, 0:width].astype(np.float32)
    course = np.floor(y / brick_h)
    x = x + (course % 2) * brick_w / 2
    number = np.floor(x / brick_w)
    mortar = (y % brick_h < brick_h * 0.16) | (x % brick_w < brick_w * 0.07)
    tints = rng.normal(1, 0.16, (64, 64)).astype(np.float32)
    tint = tints[course.astype(int) % 64, number.astype(int) % 64]
    clay = np.array(vary(rng, (168, 82, 62), 20), np.float32)
    picture[:horizon] = np.where(mortar[..., None], np.float32(190), clay * tint[..., None])
    picture[:horizon] += 9 * noise(rng, width, horizon, 5, 5)[..., None]
    unit = height / 10
    for place in np.arange(0.4, width / unit - 2, 3.4) + rng.uniform(0, 1):
        left, kind = place * unit, rng.integers(3)
        if kind == 0:  # door
            color = vary(rng, (60, 90, 80), 40)
            box(picture, left - 6, horizon - 4.6 * unit, 1.9 * unit + 12, 4.6 * unit, (205, 200, 190))
            box(picture, left, horizon - 4.5 * unit, 1.9 * unit, 4.5 * unit, color)
            for panel in (0.4, 1.7, 3.0):
                box(picture, left + 0.35 * unit, horizon - (panel + 1.2) * unit, 1.2 * unit, 1.1 * unit,
                    vary(rng, (40, 60, 55), 10))  # fmt: skip
            disc(picture, left + 1.72 * unit, horizon - 2.1 * unit, 4, (230, 200, 90))
        elif kind == 1:  # window
            box(picture, left - 6, horizon - 4.4 * unit, 2 * unit + 12, 2.4 * unit, (225, 222, 215))
            for i in range(2):
                for j in range(2):
                    glass = vary(rng, (70, 90, 110), 20)
                    box(picture, left + i * 1.05 * unit, horizon - (4.3 - j * 1.15) * unit, 0.95 * unit, unit, glass)
        else:  # posters
            for i in range(2):
                color = vary(rng, (170, 160, 120), 70)
                top = horizon - rng.uniform(2.6, 3.2) * unit
                box(picture, left + i * 1.2 * unit, top, unit, 1.4 * unit, color)
                for line in range(4):
                    box(picture, left + (i * 1.2 + 0.15) * unit, top + (0.2 + 0.3 * line) * unit,
                        rng.uniform(0.3, 0.7) * unit, 0.1 * unit, vary(rng, (60, 50, 60), 50))  # fmt: skip
    sideways, away = floor_grid(width, height - horizon, height / 7)
    slab_tint = tints[np.floor(away * 2).astype(int) % 64, np.floor(sideways * 1.3).astype(int) % 64]
    joint = (sideways * 1.3 % 1 < 0.05) | (away * 2 % 1 < 0.09)
    stone = np.array(vary(rng, (142, 138, 132), 12), np.float32)
    pavement = np.where(joint[..., None], np.float32(88), stone * (0.55 + 0.45 * slab_tint[..., None]))
    picture[horizon:] = pavement + 12 * noise(rng, width, height - horizon, 3, 2)[..., None]
    picture[horizon - 3 : horizon + 5] = 70
    return finish(picture)


def meadow(rng: np.random.Generator, width: int, height: int, horizon: int) -> Picture:
    """Sky with clouds, hills, trees, and a field of grass with flowers."""
    picture = np.zeros((height, width, 3), np.float32)
    picture[:horizon] = flat(width, horizon, vary(rng, (88, 150, 225)), (205, 228, 245))
    cloud = noise(rng, width, horizon, height / 4, height / 9) + 0.5 * noise(
        rng, width, horizon, height / 14, height / 22
    )
    cover = np.clip(cloud * 1.4 - 0.1, 0, 0.9)[..., None]
    picture[:horizon] = picture[:horizon] * (1 - cover) + 250 * cover
    xs = np.arange(0, width + 20, 20)
    for lift, green in ((0.17, (120, 160, 150)), (0.08, (86, 140, 84))):
        ridge = horizon - height * lift * (0.7 + 0.3 * noise(rng, len(xs), 2, 8, 1)[0])
        outline = np.column_stack([np.append(xs, [width, 0]), np.append(ridge, [horizon + 4, horizon + 4])])
        cv2.fillPoly(picture, [outline.round().astype(np.int32)], vary(rng, green))
    grass = height - horizon
    picture[horizon:] = flat(width, grass, vary(rng, (112, 168, 70)), vary(rng, (58, 118, 38)))
    picture[horizon:] += (26 * noise(rng, width, grass, 26, 9) + 24 * noise(rng, width, grass, 2, 7))[..., None]
    for _ in range(700):  # blades, longer when nearer
        x, t = rng.uniform(0, width), rng.uniform(0, 1) ** 0.7
        y, blade = horizon + t * grass, height * (0.006 + 0.022 * t)
        tip = (round(x + rng.uniform(-0.5, 0.5) * blade), round(y - blade))
        cv2.line(picture, (round(x), round(y)), tip, vary(rng, (96, 160, 56), 40), 1, cv2.LINE_AA)
    for _ in range(110):  # flowers
        x, t = rng.uniform(0, width), rng.uniform(0.05, 1)
        petals: Color = ((250, 245, 235), (245, 205, 40), (225, 70, 80))[rng.integers(3)]
        disc(picture, x, horizon + t * grass, height * (0.002 + 0.005 * t), petals)
    for x in np.arange(0.05, 1, 0.16) * width + rng.uniform(-0.05, 0.05, 6) * width:
        _tree(rng, picture, float(x), horizon + height * rng.uniform(0.0, 0.03), height * rng.uniform(0.3, 0.46))
    return finish(picture)


def _tree(rng: np.random.Generator, picture: NDArray[np.float32], x: float, foot: float, size: float) -> None:
    """A trunk under a crown of leaf clumps, lighter towards the top."""
    box(picture, x - 0.05 * size, foot - 0.5 * size, 0.1 * size, 0.5 * size, vary(rng, (96, 68, 44)))
    green = np.array(vary(rng, (52, 112, 42), 18))
    for _ in range(75):
        angle, distance = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 1)) * 0.33 * size
        dx, dy = distance * np.cos(angle), distance * np.sin(angle)
        leaf = green * (0.95 - 0.9 * dy / size) * rng.uniform(0.75, 1.2)
        disc(picture, x + dx, foot - 0.68 * size + dy, rng.uniform(0.03, 0.08) * size, tuple(leaf))


def _tiled_wall(rng: np.random.Generator, width: int, height: int, horizon: int) -> NDArray[np.float64]:
    """White tiles with a blue band, (horizon, width, 3)."""
    tile = height / 17
    y, x = np.mgrid[0:horizon, 0:width].astype(np.float32)
    tints = rng.normal(1, 0.035, (64, 64)).astype(np.float32)
    tint = tints[(y // tile).astype(int) % 64, (x // tile).astype(int) % 64][..., None]
    white, blue = np.array(vary(rng, (226, 232, 232), 10)), np.array(vary(rng, (96, 152, 186), 24))
    band = (np.abs(y - (horizon - 6.5 * tile)) < tile / 2)[..., None]
    wall = np.where(band, blue, white) * tint
    joint = ((y % tile < 2) | (x % tile < 2))[..., None]
    shine = (((x - y) % (tile * 2.2)) / (tile * 2.2) * 14)[..., None]
    return np.where(joint, 165, wall - shine)


def tiled_room(rng: np.random.Generator, width: int, height: int, horizon: int) -> Picture:
    """A kitchen: chequered floor, tiled wall, cupboards, a window and pictures."""
    picture = np.zeros((height, width, 3), np.float32)
    picture[:horizon] = _tiled_wall(rng, width, height, horizon)
    sideways, away = floor_grid(width, height - horizon, height / 8)
    dark = (np.floor(sideways * 1.2) + np.floor(away * 1.9)) % 2 == 0
    one, other = np.array(vary(rng, (178, 84, 62), 24)), np.array(vary(rng, (236, 226, 206), 12))
    picture[horizon:] = np.where(dark[..., None], one, other)
    picture[horizon:] += 7 * noise(rng, width, height - horizon, 3, 3)[..., None]
    unit = height / 10
    for place in np.arange(0.3, width / unit - 2, 3.6) + rng.uniform(0, 1.2):
        left, kind = place * unit, rng.integers(4)
        if kind == 0:  # cupboard with two doors
            wood = vary(rng, (190, 200, 170), 30)
            box(picture, left, horizon - 2.1 * unit, 2.6 * unit, 2.2 * unit, wood)
            box(picture, left - 5, horizon - 2.3 * unit, 2.6 * unit + 10, 0.22 * unit, (120, 96, 76))
            for i in range(2):
                cv2.rectangle(picture, (round(left + (0.1 + 1.25 * i) * unit), round(horizon - 1.9 * unit)),
                              (round(left + (1.2 + 1.25 * i) * unit), round(horizon - 0.2 * unit)),
                              (130, 136, 110), 2, cv2.LINE_AA)  # fmt: skip
                disc(picture, left + (1.05 + 0.5 * i) * unit, horizon - 1.1 * unit, 3, (90, 80, 70))
            for i in range(3):  # jars
                box(picture, left + (0.3 + 0.7 * i) * unit, horizon - 2.75 * unit, 0.4 * unit, 0.45 * unit,
                    vary(rng, (190, 120, 80), 60))  # fmt: skip
        elif kind == 1:  # window
            box(picture, left, horizon - 4.2 * unit, 2.4 * unit, 2.2 * unit, (246, 246, 240))
            for i in range(2):
                box(picture, left + (0.12 + 1.15 * i) * unit, horizon - 4.08 * unit, 1.02 * unit, 1.96 * unit,
                    vary(rng, (160, 206, 240), 8))  # fmt: skip
            box(
                picture, left - 0.3 * unit, horizon - 4.4 * unit, 0.5 * unit, 2.5 * unit, vary(rng, (220, 120, 110), 40)
            )
        elif kind == 2:  # refrigerator
            box(picture, left, horizon - 4.7 * unit, 1.8 * unit, 4.8 * unit, vary(rng, (214, 218, 222), 8))
            box(picture, left, horizon - 3.1 * unit, 1.8 * unit, 0.05 * unit, (120, 124, 128))
            box(picture, left + 0.15 * unit, horizon - 3.9 * unit, 0.1 * unit, 1.6 * unit, (110, 114, 118))
            for _ in range(4):
                box(picture, left + rng.uniform(0.4, 1.2) * unit, horizon - rng.uniform(3.3, 4.4) * unit, 10, 9,
                    vary(rng, (200, 120, 90), 70))  # fmt: skip
        else:  # pictures
            for i in range(2):
                top = horizon - (3.4 + 0.3 * i) * unit
                box(picture, left + 1.3 * i * unit, top, 1.1 * unit, 1.2 * unit, (90, 66, 46))
                box(picture, left + (1.3 * i + 0.12) * unit, top + 0.12 * unit, 0.86 * unit, 0.96 * unit,
                    vary(rng, (200, 190, 150), 50))  # fmt: skip
                disc(
                    picture,
                    left + (1.3 * i + 0.55) * unit,
                    top + 0.6 * unit,
                    0.25 * unit,
                    vary(rng, (120, 120, 120), 90),
                )
    box(picture, 0, horizon - 6, width, 9, (110, 88, 70))
    return finish(picture)


def beach(rng: np.random.Generator, width: int, height: int, horizon: int) -> Picture:
    """Sea with waves and sails under a clear sky, sand with parasols and towels."""
    picture = np.zeros((height, width, 3), np.float32)
    shore, skyline = horizon, round(horizon - 0.17 * height)
    picture[:skyline] = flat(width, skyline, vary(rng, (70, 160, 230)), (200, 232, 250))
    cloud = np.clip(noise(rng, width, skyline, height / 3, height / 18) - 0.25, 0, 0.7)[..., None]
    picture[:skyline] = picture[:skyline] * (1 - cloud) + 255 * cloud
    sea = shore - skyline
    picture[skyline:shore] = flat(width, sea, vary(rng, (20, 88, 150)), vary(rng, (70, 190, 200)))
    crests = noise(rng, width, sea, height / 11, 3)
    picture[skyline:shore] += (60 * np.clip(crests - 0.25, 0, 1) + 14 * crests)[..., None]
    for _ in range(6):  # sails
        x, base, tall = rng.uniform(0, width), skyline + rng.uniform(0.1, 0.5) * sea, height * rng.uniform(0.06, 0.13)
        sail = np.array([[x, base - tall], [x, base], [x + 0.6 * tall, base]]).round().astype(np.int32)
        cv2.fillPoly(picture, [sail], ((250, 250, 250), (230, 80, 60), (250, 200, 60))[rng.integers(3)], cv2.LINE_AA)
        box(picture, x - 0.25 * tall, base, 0.9 * tall, 0.12 * tall, (90, 60, 50))
    sand = height - shore
    picture[shore:] = flat(width, sand, vary(rng, (232, 206, 150)), vary(rng, (212, 176, 118)))
    ripples = 20 * noise(rng, width, sand, 34, 6) + 18 * noise(rng, width, sand, 2, 2)
    picture[shore:] += ripples[..., None]
    edge = shore + (6 * noise(rng, width, 2, height / 8, 1)[0]).astype(int)
    line = np.column_stack([np.arange(width), edge]).astype(np.int32)
    cv2.polylines(picture, [line], False, (252, 252, 250), max(2, height // 80), cv2.LINE_AA)
    for _ in range(120):  # pebbles and shells
        x, t = rng.uniform(0, width), rng.uniform(0.05, 1)
        disc(picture, x, shore + t * sand, height * (0.002 + 0.006 * t), vary(rng, (160, 120, 100), 60))
    for x in np.arange(0.08, 1, 0.21) * width + rng.uniform(-0.06, 0.06, 5) * width:
        foot, size = shore + rng.uniform(0.05, 0.2) * sand, height * rng.uniform(0.24, 0.34)
        one, other = vary(rng, (220, 70, 60), 50), vary(rng, (248, 244, 232), 8)
        cv2.line(picture, (round(x), round(foot)), (round(x), round(foot - size)), (120, 90, 60), 3, cv2.LINE_AA)
        for i in range(6):  # parasol in wedges
            start = 180 + 30 * i
            cv2.ellipse(picture, (round(x), round(foot - 0.75 * size)), (round(0.5 * size), round(0.3 * size)), 0,
                        start, start + 30, one if i % 2 else other, -1, cv2.LINE_AA)  # fmt: skip
        towel = np.array([[x + 0.2 * size, foot], [x + 0.9 * size, foot], [x + size, foot + 0.16 * size],
                          [x + 0.15 * size, foot + 0.16 * size]])  # fmt: skip
        cv2.fillPoly(picture, [towel.round().astype(np.int32)], vary(rng, (120, 130, 200), 60), cv2.LINE_AA)
    return finish(picture)


def night_city(rng: np.random.Generator, width: int, height: int, horizon: int) -> Picture:
    """Dark houses with lit windows, street lamps, and a wet road."""
    picture = np.zeros((height, width, 3), np.float32)
    picture[:horizon] = flat(width, horizon, (8, 10, 30), vary(rng, (52, 40, 78)))
    for _ in range(160):  # stars
        disc(picture, rng.uniform(0, width), rng.uniform(0, 0.5 * horizon), 1, (200, 205, 220))
    disc(picture, rng.uniform(0.2, 0.8) * width, 0.16 * height, 0.04 * height, (240, 238, 210))
    left = -rng.uniform(0, 40)
    while left < width:
        broad, tall = rng.uniform(0.16, 0.3) * height, rng.uniform(0.4, 0.86) * horizon
        wall = vary(rng, (38, 40, 58), 14)
        box(picture, left, horizon - tall, broad, tall, wall)
        cols, rows = max(2, int(broad / (height * 0.05))), max(3, int(tall / (height * 0.062)))
        for i in range(cols):
            for j in range(rows):
                lit = rng.random() < 0.55
                glow = vary(rng, (250, 205, 105), 38) if lit else vary(rng, (24, 28, 44), 6)
                box(picture, left + (i + 0.22) * broad / cols, horizon - tall + (j + 0.25) * tall / rows,
                    0.56 * broad / cols, 0.5 * tall / rows, glow)  # fmt: skip
        left += broad + rng.uniform(0, 0.03) * height
    road = height - horizon
    picture[horizon:] = flat(width, road, vary(rng, (66, 66, 76), 8), (44, 44, 52))
    picture[horizon:] += (9 * noise(rng, width, road, 3, 2) + 6 * noise(rng, width, road, 40, 8))[..., None]
    reflected = cv2.GaussianBlur(picture[horizon - road : horizon][::-1].copy(), (0, 0), 3, sigmaY=9)
    picture[horizon:] += 0.28 * reflected
    sideways, away = floor_grid(width, road, height / 7)
    kerb = slice(horizon, horizon + round(0.05 * road) + 2)
    picture[kerb] = np.where((np.arange(width)[None, :, None] // (height // 16)) % 2 == 0, 150, 104)
    lane = (np.abs(away - np.median(away)) < 0.06) & (sideways * 0.9 % 1 < 0.6)
    picture[horizon:][lane] = (205, 200, 170)
    for x in np.arange(0.1, 1, 0.27) * width + rng.uniform(-0.05, 0.05) * width:
        top = horizon - 0.42 * height
        cv2.line(picture, (round(x), horizon + 6), (round(x), round(top)), (22, 22, 26), 5, cv2.LINE_AA)
        halo = np.zeros((round(0.3 * height), round(0.3 * height)), np.float32)
        cv2.circle(halo, (halo.shape[1] // 2, halo.shape[0] // 2), round(0.05 * height), 1, -1)
        halo[:] = cv2.GaussianBlur(halo, (0, 0), 0.05 * height)
        y1, x1 = max(0, round(top) - halo.shape[0] // 2), max(0, round(x) - halo.shape[1] // 2)
        region = picture[y1 : y1 + halo.shape[0], x1 : x1 + halo.shape[1]]
        region += halo[: region.shape[0], : region.shape[1], None] * np.array((190, 160, 90), np.float32)
        disc(picture, x, top, 0.018 * height, (255, 244, 205))
    return finish(picture)


def wooden_cabin(rng: np.random.Generator, width: int, height: int, horizon: int) -> Picture:
    """A cabin: plank walls, bookshelves, a window, boards on the floor and a rug."""
    plank = height / 15
    wood = np.array(vary(rng, (172, 118, 66), 18), np.float32)
    y, x = np.mgrid[0:horizon, 0:width].astype(np.float32)
    tints = rng.normal(1, 0.1, (64, 64)).astype(np.float32)
    row = (y // plank).astype(int)
    board = ((x + row * 137) // (height * 0.7)).astype(int)
    grain = 0.09 * noise(rng, width, horizon, 70, 2) + 0.07 * noise(rng, width, horizon, 24, 5)
    wall = wood * (tints[row % 64, board % 64] + grain)[..., None]
    gap = ((y % plank < 2.5) | ((x + row * 137) % (height * 0.7) < 2))[..., None]
    picture = np.zeros((height, width, 3), np.float32)
    picture[:horizon] = np.where(gap, wood * 0.45, wall)
    for _ in range(60):  # knots
        kx, ky = rng.uniform(0, width), rng.uniform(0, horizon)
        cv2.ellipse(picture, (round(kx), round(ky)), (5, 3), 0, 0, 360, (92, 56, 30), -1, cv2.LINE_AA)
    sideways, away = floor_grid(width, height - horizon, height / 8)
    lane = np.floor(sideways * 1.7)
    boards = tints[np.floor(away * 0.8 + lane * 0.37).astype(int) % 64, lane.astype(int) % 64]
    seam = (sideways * 1.7 % 1 < 0.06) | ((away * 0.8 + lane * 0.37) % 1 < 0.04)
    dark = np.array(vary(rng, (118, 72, 40), 12), np.float32)
    floor = np.where(seam[..., None], dark * 0.45, dark * boards[..., None])
    picture[horizon:] = floor + 9 * noise(rng, width, height - horizon, 3, 8)[..., None]
    for place in (0.24, 0.74):  # rugs
        centre = (round((place + rng.uniform(-0.06, 0.06)) * width), round(horizon + 0.4 * (height - horizon)))
        one, other = vary(rng, (150, 40, 44), 30), vary(rng, (226, 196, 140), 20)
        for ring in range(5):
            size = (round((0.34 - 0.06 * ring) * height), round((0.085 - 0.015 * ring) * height))
            cv2.ellipse(picture, centre, size, 0, 0, 360, other if ring % 2 else one, -1, cv2.LINE_AA)
    unit = height / 10
    for place in np.arange(0.3, width / unit - 2, 3.8) + rng.uniform(0, 1.2):
        left, kind = place * unit, rng.integers(3)
        if kind == 0:  # bookshelf
            box(picture, left, horizon - 4 * unit, 2.4 * unit, 4.1 * unit, (84, 50, 26))
            for shelf in range(4):
                at = left + 0.12 * unit
                box(picture, at, horizon - (0.98 * shelf + 0.95) * unit, 2.16 * unit, 0.82 * unit, (50, 30, 18))
                while at < left + 2.1 * unit:
                    thick, tall = rng.uniform(0.1, 0.22) * unit, rng.uniform(0.55, 0.78) * unit
                    box(picture, at, horizon - (0.98 * shelf + 0.13) * unit - tall, thick - 1, tall,
                        vary(rng, (150, 110, 100), 80))  # fmt: skip
                    at += thick
        elif kind == 1:  # window onto snow
            box(picture, left, horizon - 4.1 * unit, 2.3 * unit, 2.2 * unit, (104, 64, 34))
            for i in range(2):
                for j in range(2):
                    box(picture, left + (0.14 + 1.06 * i) * unit, horizon - (3.98 - 1.03 * j) * unit, 0.94 * unit,
                        0.92 * unit, vary(rng, (196, 216, 236), 10))  # fmt: skip
        else:  # fireplace
            for i in range(5):
                for j in range(7):
                    box(picture, left + (0.52 * i - 0.13 * (j % 2)) * unit, horizon - 0.5 * (j + 1) * unit,
                        0.48 * unit, 0.46 * unit, vary(rng, (128, 124, 120), 24))  # fmt: skip
            box(picture, left + 0.5 * unit, horizon - 1.7 * unit, 1.5 * unit, 1.7 * unit, (24, 18, 16))
            for _ in range(14):
                disc(picture, left + rng.uniform(0.7, 1.8) * unit, horizon - rng.uniform(0.05, 0.9) * unit,
                     rng.uniform(0.06, 0.2) * unit, vary(rng, (250, 150, 40), 40))  # fmt: skip
    box(picture, 0, horizon - 6, width, 9, (70, 42, 24))
    return finish(picture)


def snow(rng: np.random.Generator, width: int, height: int, horizon: int) -> Picture:
    """Mountains and dark firs over a field of snow."""
    picture = np.zeros((height, width, 3), np.float32)
    picture[:horizon] = flat(width, horizon, vary(rng, (150, 178, 214)), (226, 222, 232))
    for level, rock in ((0.5, (120, 132, 160)), (0.3, (92, 104, 132))):
        x = -0.1 * height
        while x < width:
            half, peak = rng.uniform(0.25, 0.45) * height, height * level * rng.uniform(0.7, 1.15)
            top = (x + half, horizon - peak)
            slope = np.array([(x, horizon + 3), top, (x + 2 * half, horizon + 3)]).round().astype(np.int32)
            cv2.fillPoly(picture, [slope], vary(rng, rock), cv2.LINE_AA)
            cap = np.array([top, (x + 0.66 * half, top[1] + 0.34 * peak), (x + 0.85 * half, top[1] + 0.24 * peak),
                            (x + half, top[1] + 0.38 * peak), (x + 1.2 * half, top[1] + 0.24 * peak),
                            (x + 1.34 * half, top[1] + 0.34 * peak)])  # fmt: skip
            cv2.fillPoly(picture, [cap.round().astype(np.int32)], (246, 248, 252), cv2.LINE_AA)
            x += half * rng.uniform(0.8, 1.3)
    field = height - horizon
    picture[horizon:] = flat(width, field, (222, 230, 242), (244, 246, 250))
    picture[horizon:] += (14 * noise(rng, width, field, 60, 12) + 9 * noise(rng, width, field, 3, 2))[..., None]
    for _ in range(90):  # tracks
        x, t = rng.uniform(0, width), rng.uniform(0.05, 1)
        track = (max(1, round(height * 0.012 * (0.3 + t))), max(1, round(height * 0.005 * (0.3 + t))))
        cv2.ellipse(picture, (round(x), round(horizon + t * field)), track, 0, 0, 360, (176, 192, 220), -1, cv2.LINE_AA)
    for x in np.arange(0.03, 1, 0.085) * width + rng.uniform(-0.04, 0.04, 12) * width:
        foot, tall = horizon + rng.uniform(-0.01, 0.05) * height, rng.uniform(0.2, 0.42) * height
        box(picture, x - 0.03 * tall, foot - 0.12 * tall, 0.06 * tall, 0.12 * tall, (70, 50, 40))
        for tier in range(4):
            base, spread = foot - (0.1 + 0.2 * tier) * tall, (0.27 - 0.05 * tier) * tall
            green = vary(rng, (28, 72, 56), 10)
            for lower, color in ((0.0, green), (0.2, (232, 238, 246))):  # snow on the upper half of each tier
                narrow = spread * (1 - 0.75 * (lower > 0))
                tip = np.array([(x - narrow, base - lower * tall), (x, base - 0.34 * tall),
                                (x + narrow, base - lower * tall)])  # fmt: skip
                cv2.fillPoly(picture, [tip.round().astype(np.int32)], color, cv2.LINE_AA)
    return finish(picture)


SCENES: dict[str, Painter] = {
    "bricks": brick_wall,
    "meadow": meadow,
    "tiles": tiled_room,
    "beach": beach,
    "city": night_city,
    "cabin": wooden_cabin,
    "snow": snow,
}
