"""FastAPI's plain way to serve the model in MODEL, the other column of serving.py: a route, and nothing around it."""

import os
from typing import Any

from fastapi import FastAPI

import tastemap as tm

model = tm.load(os.environ["MODEL"])
app = FastAPI()


@app.get("/recommend")
def recommend(user: int, k: int = 10) -> dict[str, Any]:
    found = model.recommend(user, k=k, frame="polars")
    items = zip(found[model.items.name].to_list(), found["score"].to_list(), strict=True)
    return {"user": user, "items": [{"item": str(item), "score": score} for item, score in items]}
