"""The config: its settings, its checks, and what follows from it for the rules."""
