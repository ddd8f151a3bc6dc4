"""Commands about a run: status, estimate, clean; and the plan that a run prints at its start."""
