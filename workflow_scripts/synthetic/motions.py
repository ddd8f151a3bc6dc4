"""The motions of the generated videos: each is a function from the phase (in cycles) to a `Pose`.

Poses repeat with the phase, except `travel` and the yaw of a spin, which keep growing. Angles are in degrees.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.synthetic.figure import Pose


def interpolate(phase: float, *keys: tuple[float, float]) -> float:
    """The value at `phase` of a smooth periodic curve through keys (phase 0..1 ascending, value)."""
    phase %= 1
    around = [(keys[-1][0] - 1, keys[-1][1]), *keys, (keys[0][0] + 1, keys[0][1])]
    for (t0, v0), (t1, v1) in pairwise(around):
        if t0 <= phase <= t1:
            return v0 + (v1 - v0) * (1 - np.cos(np.pi * (phase - t0) / max(t1 - t0, 1e-9))) / 2
    raise ValueError("keys must ascend in phase from 0 to 1")


def sine(phase: float, ahead: float = 0.0) -> float:
    """sin of the phase in cycles, `ahead` cycles early."""
    return float(np.sin(2 * np.pi * (phase + ahead)))


def pose(
    left_arm: tuple[float, float, float, float] = (2, 9, 0, 12),
    right_arm: tuple[float, float, float, float] = (2, 9, 0, 12),
    left_leg: tuple[float, float, float, float] = (2, 5, 0, 4),
    right_leg: tuple[float, float, float, float] = (2, 5, 0, 4),
    trunk: tuple[float, float, float] = (0, 0, 0),
    yaw: float = 0.0,
    lift: float = 0.0,
    travel: float = 0.0,
) -> Pose:
    """A pose whose defaults are those of a person who stands at ease."""
    limbs: NDArray[np.float64] = np.array([left_arm, right_arm, left_leg, right_leg], float)
    return Pose(limbs, np.array(trunk, float), yaw, lift, travel)


def wave(phase: float) -> Pose:
    """One arm is up, and its forearm swings from side to side."""
    swing = sine(phase)
    return pose(left_arm=(0, 96 + 6 * swing, 90, 66 + 38 * swing), trunk=(0, 6 * swing, 0), yaw=8)


def clap(phase: float) -> Pose:
    """The hands clap in front of the chest."""
    apart = 0.5 + 0.5 * sine(phase)
    arm = (58 - 8 * apart, 8 + 48 * apart, -38 + 44 * apart, 52 - 18 * apart)
    return pose(left_arm=arm, right_arm=arm, trunk=(2, 0, 0), yaw=12)


def jump(phase: float) -> Pose:
    """The person crouches, jumps with raised arms and lands."""
    crouch = interpolate(phase, (0, 0.55), (0.16, 1), (0.32, 0), (0.66, 0.1), (0.8, 0.8))
    arms = interpolate(phase, (0, 10), (0.16, -45), (0.38, 165), (0.62, 150), (0.82, 20))
    air = np.clip((phase % 1 - 0.3) / 0.4, 0, 1)
    legs = (58 * crouch + 8, 7, 0, 98 * crouch + 10)
    spread = 14 + 16 * float(air * (1 - air)) * 4
    arm = (arms, spread, 0.0, 18.0)
    return pose(arm, arm, legs, legs, (26 * crouch, 0, 0), 25, float(0.26 * 4 * air * (1 - air)))


def squat(phase: float) -> Pose:
    """The knees bend deeply while the arms rise forward, then both return."""
    down = interpolate(phase, (0, 0), (0.12, 0), (0.5, 1), (0.62, 1), (0.98, 0))
    arm = (4 + 84 * down, 8, 0, 8)
    leg = (4 + 92 * down, 7 + 14 * down, 0, 6 + 118 * down)
    return pose(arm, arm, leg, leg, (32 * down, 0, 0), 42)


def spin(phase: float) -> Pose:
    """The person turns about the body's axis with the arms held out."""
    step = 12 * sine(2 * phase)
    return pose(
        left_arm=(0, 82 + 6 * sine(phase), 0, 8),
        right_arm=(0, 78 - 6 * sine(phase), 0, 8),
        left_leg=(step + 6, 7, 0, 12 + step),
        right_leg=(6 - step, 7, 0, 12 - step),
        yaw=360 * phase,
    )


def kick(phase: float) -> Pose:
    """One leg swings back, kicks high forward and returns."""
    swing = interpolate(phase, (0, -4), (0.22, -34), (0.5, 96), (0.58, 94), (0.9, 0))
    knee = interpolate(phase, (0, 8), (0.22, 88), (0.48, 6), (0.58, 8), (0.74, 50), (0.92, 8))
    lean = interpolate(phase, (0, 2), (0.22, 10), (0.47, -16), (0.85, 2))
    arms = interpolate(phase, (0, 0), (0.22, 32), (0.47, -48), (0.85, 0))
    return pose((arms, 28, 0, 32), (-arms, 28, 0, 32), (2, 4, 0, 10), (swing, 4, 0, knee), (lean, 0, -arms / 4), 72)


def walk(phase: float) -> Pose:
    """The person walks across the view."""
    reach = sine(phase)
    lifted = [55 * max(0.0, sine(phase, 0.25)) + 6, 55 * max(0.0, sine(phase, 0.75)) + 6]
    return pose(
        left_arm=(-30 * reach, 8, 0, 22 + 8 * max(0.0, -reach)),
        right_arm=(30 * reach, 8, 0, 22 + 8 * max(0.0, reach)),
        left_leg=(29 * reach + 4, 2, 0, lifted[0]),
        right_leg=(-29 * reach + 4, 2, 0, lifted[1]),
        trunk=(5, 0, -7 * reach),
        yaw=80,
        travel=0.86 * phase,
    )


def push(phase: float) -> Pose:
    """Both hands move back to the chest, then thrust forward with a lunge."""
    thrust = interpolate(phase, (0, 0), (0.22, 0), (0.48, 1), (0.64, 1), (0.94, 0))
    arm = (-38 + 126 * thrust, 10, 0, 128 - 122 * thrust)
    return pose(
        arm,
        arm,
        left_leg=(4 + 42 * thrust, 3, 0, 8 + 40 * thrust),
        right_leg=(2 - 34 * thrust, 3, 0, 6 + 6 * thrust),
        trunk=(-8 + 34 * thrust, 0, 0),
        yaw=74,
    )


MOTIONS: dict[str, tuple[Callable[[float], Pose], float]] = {  # pose, and seconds of one cycle at speed 1
    "wave": (wave, 0.8),
    "jump": (jump, 1.05),
    "spin": (spin, 1.15),
    "kick": (kick, 1.2),
    "walk": (walk, 1.0),
    "push": (push, 1.0),
    "squat": (squat, 1.4),
    "clap": (clap, 0.65),
}
