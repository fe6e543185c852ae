"""Public data sets, fetched from their publishers or read from a local copy."""

from tastemap.datasets._dataset import Dataset
from tastemap.datasets._deskdrop import deskdrop
from tastemap.datasets._movielens import find_movielens_name as find_movielens_name  # the three are not public
from tastemap.datasets._movielens import movielens
from tastemap.datasets._movielens import read_movies as read_movies
from tastemap.datasets._movielens import read_ratings as read_ratings
from tastemap.datasets._online_retail import online_retail

__all__ = ["Dataset", "deskdrop", "movielens", "online_retail"]
