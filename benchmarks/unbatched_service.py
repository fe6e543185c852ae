"""The service of the model in MODEL with batches of one, the other column of serving.py where items are a million."""

import os

import tastemap.serve

app = tastemap.serve.app(os.environ["MODEL"], most_in_batch=1)
