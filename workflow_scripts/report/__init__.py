"""One self-contained page of the results: tables, curves, clusters (paper, sections 4.3-4.5)."""
