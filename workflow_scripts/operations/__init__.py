"""What a user does beside a run: status, estimate, clean."""
