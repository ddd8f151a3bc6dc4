"""Names and slices of the columns of a trajectory.

A row has 436 numbers: `info` (10) and `descriptors` (426). A descriptor channel holds 3 time cells x 2 x 2 space cells
(x outer, y inner) x bins; each time cell is the mean over 5 frames of square-rooted L1-normalised histograms.
"""

TRACK_LENGTH = 15
"""Displacements of a trajectory, one per frame. A trajectory has 16 points."""

INFO = (
    "end_frame",  # frame number (0-based) of the last point
    "mean_x",  # pixels of the video
    "mean_y",
    "std_x",  # standard deviation, pixels
    "std_y",
    "path_length",  # sum of the lengths of the 15 displacements, pixels
    "scale",  # factor by which the tracker reduced the frame
    "relative_x",  # mean_x / width, 0 to 0.999
    "relative_y",  # mean_y / height, 0 to 0.999
    "relative_time",  # (end_frame - 7.5) / number of frames, 0 to 0.999; NaN if that number is unknown
)
"""Names of the 10 columns of `info`."""

TRAJECTORY = slice(0, 30)
"""15 x (dx, dy), without the camera's motion, divided by the sum of their lengths."""
HOG = slice(30, 126)
"""Orientations of the image gradient, 8 bins."""
HOF = slice(126, 234)
"""Orientations of the flow without the camera's motion, 8 bins and one for (nearly) no motion."""
MBHX = slice(234, 330)
"""Orientations of the gradient of that flow's x, 8 bins."""
MBHY = slice(330, 426)
"""Orientations of the gradient of that flow's y, 8 bins."""

CHANNELS = {"trajectory": TRAJECTORY, "hog": HOG, "hof": HOF, "mbhx": MBHX, "mbhy": MBHY}
"""Slices of the columns of `descriptors` by name."""

DESCRIPTORS = tuple(f"{name}_{i}" for name, columns in CHANNELS.items() for i in range(columns.stop - columns.start))
"""Names of the 426 columns of `descriptors`."""

UNITS = {"info": "frames, pixels", "descriptors": "none: square roots of L1-normalised histograms"}
"""Units of `info` and `descriptors`."""
