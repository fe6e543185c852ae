"""tastemap over Apache Spark, where data or audience outgrow one machine; docs/spark.md says when that is."""

from __future__ import annotations

from tastemap.extras import import_extra

import_extra("pyspark.sql", "pyspark", extra="spark", purpose="tastemap.spark")

from tastemap.spark.fit import fit  # noqa: E402 - these import pyspark
from tastemap.spark.frames import read_frame  # noqa: E402
from tastemap.spark.judging import evaluate  # noqa: E402
from tastemap.spark.lists import recommend_all  # noqa: E402
from tastemap.spark.session import open_session, use_session  # noqa: E402
from tastemap.spark.splitting import by_time, leave_last  # noqa: E402
from tastemap.spark.writing import write_parquet  # noqa: E402

__all__ = [
    "by_time",
    "evaluate",
    "fit",
    "leave_last",
    "open_session",
    "read_frame",
    "recommend_all",
    "use_session",
    "write_parquet",
]
