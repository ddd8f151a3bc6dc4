"""The steps of the tracker in numpy and double precision, written from docs/idt_spec.md."""

import cv2
import numpy as np

STRIDE = np.float32(1.41421354)


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Returns the bilinear resize (5.2): columns beyond the edge take the edge pixel, rows are clamped."""
    from_height, from_width = image.shape

    def places(start: int, to: int) -> tuple[np.ndarray, np.ndarray]:
        step = 1.0 / (to / start)
        position = ((np.arange(to) + 0.5) * step - 0.5).astype(np.float32)
        index = np.floor(position).astype(int)
        return index, (position - index.astype(np.float32)).astype(np.float64)

    x, wx = places(from_width, width)
    wx = np.where((x < 0) | (x >= from_width - 1), 0, wx)
    left, right = np.clip(x, 0, from_width - 1), np.clip(x + 1, 0, from_width - 1)
    columns = image[:, left] * (1 - wx) + image[:, right] * wx
    y, wy = places(from_height, height)
    above, below = np.clip(y, 0, from_height - 1), np.clip(y + 1, 0, from_height - 1)
    return columns[above] * (1 - wy[:, None]) + columns[below] * wy[:, None]


def reduce(grey: np.ndarray, factor: float, width: int, height: int) -> np.ndarray:
    """Returns a frame blurred for a scale and resized to it (1 step 2, 5.1, 5.2)."""
    sigma = (np.float32(factor) - np.float32(1)) * 0.5
    size = max(3, round(5 * float(sigma)) | 1)
    taps = np.array([0.25, 0.5, 0.25]) if sigma <= 0 else cv2.getGaussianKernel(size, sigma).ravel()
    blurred = cv2.sepFilter2D(grey.astype(np.float64), cv2.CV_64F, taps, taps, borderType=cv2.BORDER_REFLECT_101)
    return resize(blurred, width, height)


def expand(image: np.ndarray) -> np.ndarray:
    """Returns the coefficients y, x, yy, xx, xy (5, height, width) of the weighted quadratic around each pixel (5.3).

    The fit uses the whole normal matrix in the basis 1, x, y, x^2, y^2, xy, not the separability that the core uses.
    """
    n = 7
    g = np.exp(-(np.arange(-n, n + 1) ** 2) / 4.5)
    y, x = np.mgrid[-n : n + 1, -n : n + 1]
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).reshape(6, -1).astype(np.float64)
    weight = (np.outer(g, g) / g.sum() ** 2).ravel()
    inverse = np.linalg.inv((basis * weight) @ basis.T)
    inverse[3, 4] = inverse[4, 3] = 0  # "the xx-yy cross term of the inverse is 0 for a separable window"
    filters = (inverse @ (basis * weight))[[2, 1, 4, 3, 5]].reshape(5, 2 * n + 1, 2 * n + 1)
    padded = np.pad(image.astype(np.float64), n, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * n + 1, 2 * n + 1))
    return np.einsum("hwij,fij->fhw", windows, filters)


def flow(first: np.ndarray, second: np.ndarray, coarser: np.ndarray | None = None) -> np.ndarray:
    """Returns the flow (2, height, width) of one level before its median (5.4)."""
    height, width = first.shape
    motion = np.zeros((2, height, width))
    if coarser is not None:
        motion = np.stack([resize(channel, width, height) * STRIDE for channel in coarser])
    expansions = expand(first), expand(second)
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()
    for _ in range(2):
        products = _products(*expansions, motion)
        g11, g12, g22, h1, h2 = (
            cv2.sepFilter2D(product, cv2.CV_64F, taps, taps, borderType=cv2.BORDER_REPLICATE) for product in products
        )
        determinant = g11 * g22 - g12 * g12 + 1e-3
        motion = np.stack([(g11 * h2 - g12 * h1) / determinant, (g22 * h1 - g12 * h2) / determinant])
    return motion


def _products(first: np.ndarray, second: np.ndarray, motion: np.ndarray) -> tuple[np.ndarray, ...]:
    _, height, width = first.shape
    dx, dy = motion
    y, x = np.mgrid[0:height, 0:width]
    fx, fy = x + dx, y + dy
    x1, y1 = np.floor(fx).astype(int), np.floor(fy).astype(int)
    inside = (x1 >= 0) & (x1 < width - 1) & (y1 >= 0) & (y1 < height - 1)
    i, j = np.where(inside, y1, 0), np.where(inside, x1, 0)
    a, b = np.where(inside, fx - x1, 0), np.where(inside, fy - y1, 0)
    r = (second[:, i, j] * (1 - a) + second[:, i, j + 1] * a) * (1 - b)
    r += (second[:, i + 1, j] * (1 - a) + second[:, i + 1, j + 1] * a) * b
    r *= inside
    half = np.where(inside, 0.5, 1.0)
    q2, q3, q4 = (first[2] + r[2]) * half, (first[3] + r[3]) * half, (first[4] + r[4]) * half / 2
    e0 = (first[0] - r[0]) / 2 + q2 * dy + q4 * dx
    e1 = (first[1] - r[1]) / 2 + q4 * dy + q3 * dx
    border = np.array([0.14, 0.14, 0.4472, 0.4472, 0.4472])

    def along(n: int) -> np.ndarray:
        weights = np.ones(n)
        near = min(5, n)
        weights[:near] *= border[:near]
        weights[n - near :] *= border[:near][::-1]
        return weights

    trust = np.outer(along(height), along(width))
    q2, q3, q4, e0, e1 = (part * trust for part in (q2, q3, q4, e0, e1))
    return q2 * q2 + q4 * q4, (q2 + q3) * q4, q3 * q3 + q4 * q4, q2 * e0 + q4 * e1, q4 * e0 + q3 * e1


def patch(grey: np.ndarray, motion: np.ndarray, left: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns square-rooted histograms of a patch (5.5): HOG, HOF, MBHx, MBHy (4, 4, 8) and HOF's 9th bins (4,)."""

    def gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        padded = np.pad(image.astype(np.float64), 1, mode="reflect")
        return padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]

    bins, still = np.zeros((4, 4, 8)), np.zeros(4)
    for channel, (vx, vy) in enumerate([gradient(grey), motion, gradient(motion[0]), gradient(motion[1])]):
        angle = cv2.phase(vx.astype(np.float32), vy.astype(np.float32), angleInDegrees=True).astype(np.float64)
        length = np.hypot(vx, vy)
        for cell in range(4):
            i, j = divmod(cell, 2)
            part = slice(top + 16 * j, top + 16 * j + 16), slice(left + 16 * i, left + 16 * i + 16)
            place, size = angle[part] * 8 / 360, length[part].copy()
            if channel == 1:
                still[cell] = (size <= np.float32(0.4)).sum()
                size[size <= np.float32(0.4)] = 0
            lower = np.floor(place)
            np.add.at(bins[channel, cell], lower.astype(int) % 8, size * (1 - (place - lower)))
            np.add.at(bins[channel, cell], (lower.astype(int) + 1) % 8, size * (place - lower))
    bins, still = np.maximum(bins, 0) + 0.05, still + 0.05
    totals = bins.sum((1, 2)) + np.array([0, still.sum(), 0, 0])
    return np.sqrt(bins / totals[:, None, None]), np.sqrt(still / totals[1])
