"""Pictures of training, of comparisons and of what a model has learned, drawn with matplotlib.

Each function returns a matplotlib Figure: a notebook shows it where it is the last value of a cell, and
`figure.savefig("curves.png")` writes it. pyplot keeps nothing, and no setting of matplotlib changes. Functions that
draw one pair of axes take `ax=` to draw in a figure of your own. Colour-blind people can tell the colours apart.

Every function raises MissingPackageError where matplotlib is not installed: pip install "tastemap[plot]".
"""

from tastemap.plot.compared import differences, intervals
from tastemap.plot.curves import learning_curves, metric_at_k
from tastemap.plot.space import latent_space
from tastemap.plot.tail import long_tail
from tastemap.plot.trials import tuning

__all__ = ["differences", "intervals", "latent_space", "learning_curves", "long_tail", "metric_at_k", "tuning"]
