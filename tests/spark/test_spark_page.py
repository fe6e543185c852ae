"""The example of docs/spark.md runs, in a folder of this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

PAGE = Path(__file__).parents[2] / "docs" / "spark.md"


def test_the_example_of_the_page_runs(spark: Any, tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python peer\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    rng = np.random.default_rng(0)
    customers, articles = np.divmod(rng.permutation(40 * 30)[:600], 30)  # no pair twice: none is in both parts
    orders = {"customer": customers, "article": articles, "day": rng.integers(0, 90, 600)}
    pl.DataFrame({**orders, "quantity": rng.integers(1, 4, 600)}).write_parquet(tmp_path / "orders")
    exec(example.replace("hdfs:///shop", tmp_path.as_uri()).replace("shop.", f"{tmp_path}/shop."), {"spark": spark})
    lists = pl.read_parquet(tmp_path / "lists" / "*.parquet")
    assert lists["customer"].n_unique() == 40
    assert (tmp_path / "shop.safetensors").exists()
