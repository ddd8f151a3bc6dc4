"""Improved dense trajectories: from video frames to trajectories and their Fisher-vector encoding.

Needs numpy, OpenCV and PyAV alone.
"""
