"""Numbers in half precision, in which descriptors are stored."""

import cv2
import numpy as np


def half(numbers: np.ndarray) -> np.ndarray:
    """Returns numbers (n, m) float32 as float16. The result is that of `astype`, which takes ten times as long."""
    return cv2.convertFp16(numbers).view(np.float16) if numbers.size else numbers.astype(np.float16)
