"""Generates the demo's videos of moving people."""
