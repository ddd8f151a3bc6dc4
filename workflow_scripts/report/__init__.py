"""One self-contained page of what ran and what came out: tables, curves, clusters (paper, sections 4.3-4.5)."""
