"""The service of the model in MODEL with batches of one, the other column of serving.py where items are a million."""

import os
from functools import partialmethod

import tastemap.serve
from tastemap.serve.batching import Batcher

# Not an option of the service: nobody but this table wants it.
Batcher.__init__ = partialmethod(Batcher.__init__, most=1)
app = tastemap.serve.app(os.environ["MODEL"])
