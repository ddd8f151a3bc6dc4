"""The colors that the page and all figures share. The colors of the objectives are with their entries."""

# Okabe and Ito's palette: color-blind readers can tell its colors apart, and they are legible on light and dark
# backgrounds. The page replaces INK, MUTED and LINE by its own colors; a figure in its own file keeps them.
INK, MUTED, LINE = "#1d2129", "#697080", "#d9dce3"
MOTION, PLACE = "#0b7ab8", "#e08a00"
SCRATCH, IDT, FISHER = "#8a8f99", "#0a9b72", "#06664b"
