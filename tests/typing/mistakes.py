"""Mistakes in a user's program: each line with `# wrong` is one, and no other. Checked, never run."""

from __future__ import annotations

import pandas as pd

import tastemap as tm

data = tm.Interactions.from_frame(pd.DataFrame({"reader": ["ann"], "book": ["Emma"]}), user="reader", item="book")

tm.WRAP()  # wrong: a name
tm.split.randomly(data, 0.2)  # wrong: a name of a public module
tm.datasets.movielens("2m")  # wrong: no such data set
tm.Interactions.from_frame(data, users="reader", itme="book")  # wrong: the name of a parameter
tm.Interactions.from_frame(data, duplicates="first")  # wrong: none of the choices
tm.Interactions.from_file("ratings.csv", wieght="stars")  # wrong: the name of a parameter
data.at_least("4")  # wrong: text where a number is due
data.to_frame("panda")  # wrong: no kind of frame
data.to_frame("polars").iloc[0]  # wrong: polars has none

tm.WARP(factor=32)  # wrong: the name of a parameter
tm.WARP(32)  # wrong: parameters go by name
tm.WARP(factors="32")  # wrong: text where a number is due
tm.Model()  # wrong: what all models share is no model
model = tm.ImplicitALS(factors=32).fit(data)
model.fit(data, epochs=3)  # wrong: a parameter of the model
model.fit(data.to_frame("pandas"))  # wrong: a frame where interactions are due
model.factors = "many"  # wrong: text where a number is due
model.recomend("ann")  # wrong: the name of a method
model.recommend("ann", n=3)  # wrong: the name of a parameter
model.recommend("ann", k="3")  # wrong: text where a number is due
model.recommend("ann", on_unknown="ignore")  # wrong: none of the choices
model.recommend("ann", k="3", frame="pandas")  # wrong: text where a number is due
model.recommend("ann", frame="panda")  # wrong: no kind of frame
model.recommend("ann", frame="polars").iloc[0]  # wrong: polars has none
model.recommend_for(["Emma"], on_unknown="skip", frame="polars")  # wrong: a parameter of recommend
model.similar_users("ann", candidates=["bob"], frame="pandas")  # wrong: a parameter of similar_items
model.similar_items("Emma", metric="manhattan")  # wrong: none of the choices
model.explain("ann", "Emma", frame="pandas").frame.collect()  # wrong: pandas has none
print(model.explain("ann", "Emma").scores)  # wrong: the name of an attribute

tm.evaluate(tm.WARP, data)  # wrong: a class where a model is due
tm.evaluate(model, data, metric="ndcg@10")  # wrong: the name of a parameter
tm.evaluate(model, data)["ndcg@10"].mean()  # wrong: a metric is a number
tm.compare("WARP", data)  # wrong: text where models are due
tm.tune(model, data, sampler="bayes")  # wrong: none of the choices
tm.Range("low", "high")  # wrong: text where numbers are due
tm.plot.learning_curve(model)  # wrong: a name of a public module
tm.plot.tuning(model)  # wrong: a model where a search is due
tm.threads("two")  # wrong: text where a number is due
