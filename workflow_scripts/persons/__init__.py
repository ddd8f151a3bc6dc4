"""The people in every frame, whose motion must not pass for the camera's (paper 3.3, appendix A)."""
