"""Finds the persons in every frame, so that their motion does not bias the camera's (paper 3.3, appendix A)."""
