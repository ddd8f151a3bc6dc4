"""The config: its settings and checks, and the inputs and parameters that it gives the rules."""
