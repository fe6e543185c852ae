"""`tastemap recommend --spark`: lists made by a cluster, alone or started by spark-submit."""

from __future__ import annotations

from typing import Any, Literal

from tastemap.cli import output
from tastemap.models.shared.base import Model


def recommend_on_spark(
    model: Model, users: str, out: str, *, histories: str | None, fold_in: Literal["new", "all"], **asked: Any
) -> None:
    """Write the lists of the users of a file to a folder.

    users, histories, out : paths that Spark knows, of Parquet, or of csv with a header
    asked : as for `tastemap.spark.recommend_all`
    """
    import tastemap as tm

    with tm.spark.use_session() as session:
        lists = tm.spark.recommend_all(
            model,
            tm.spark.read_frame(session, users),
            histories=None if histories is None else tm.spark.read_frame(session, histories),
            fold_in=fold_in,
            **asked,
        )
        tm.spark.write_parquet(lists, out)
    output.note(f"wrote the lists to {out}")
