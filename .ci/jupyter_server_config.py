"""JupyterLab as `make lab` starts it: notebooks are cleaned (nbdev) whenever they are saved; nothing in your home changes."""
from nbdev.clean import clean_jupyter

c.ContentsManager.pre_save_hook = clean_jupyter  # noqa: F821 (c is Jupyter's)
