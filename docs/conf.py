"""The documentation's site: `make docs` builds it in docs/_build/html. The pages load nothing from the network."""

project = "Dense trajectory clustering"
author = "The dense trajectory clustering developers"

extensions = ["myst_nb"]
nb_execution_mode = "off"  # `make tutorial` runs the notebook
exclude_patterns = ["captions", "_build"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = project
html_show_sourcelink = False
