"""A first look: learn from film ratings, measure, recommend. `run` is also an example of the public API."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import tastemap as tm
from tastemap.files.cache import cache_folder
from tastemap.files.whole import whole_file
from tastemap.tables import Column, PlainTable

if TYPE_CHECKING:
    from rich.console import Console

    from tastemap.datasets._movielens import Name
    from tastemap.evaluation.comparison import Comparison

FILM = "Toy Story (1995)"
DEFAULT_METRICS = ("precision@10", "recall@10", "ndcg@10")
# Users with a clear taste, for children's films and for science fiction; in other data sets it is the first user.
PERSON = {"100k": 471, "1m": 4}


@dataclass
class Demo:
    """What the demo found out.

    data : the ratings and likes it learned from, in one line
    board : the models compared, trained on 80 % of the likes and measured on the rest
    similar : the films most like `FILM`: rank, title, genres, score
    person, liked, recommended : a user, titles and genres of what they liked and of what they are recommended
    kept : a file of the films, beside those of models fitted to all likes, for the explorer
    """

    data: str
    board: Comparison
    similar: pl.DataFrame
    person: int | str
    liked: pl.DataFrame
    recommended: pl.DataFrame
    kept: Path

    def as_dict(self) -> dict[str, Any]:
        """Return everything in types that JSON has, the board as its frames."""
        told = {k: v.to_dicts() if isinstance(v, pl.DataFrame) else v for k, v in vars(self).items() if k != "board"}
        told["kept"] = str(self.kept)
        frames = {"leaderboard": self.board.frame, "differences": self.board.differences}
        return told | {name: frame.to_dicts() for name, frame in frames.items()}


def run(name: Name = "100k", path: Path | None = None, say: Callable[[str], None] = print) -> Demo:
    """Do the work that `show` shows, with a line to ``say`` for every step.

    name, path : as for `tastemap.datasets.movielens`
    """
    say("getting the ratings")
    data = tm.datasets.movielens(name, path=path)
    films = data.items
    if films is None or FILM not in films["title"]:
        raise tm.DataError(f"{path} holds no file of movies with {FILM}, which the demo asks about")
    ratings = data.interactions
    if (highest := ratings.matrix.data.max()) > 5:
        raise tm.DataError(
            f"{path} holds ratings up to {highest:g}, and the demo is about those of MovieLens, up to 5",
            f"`tastemap compare {path}` compares models on it",
        )
    likes = ratings.at_least(4).binarize()
    train, test = tm.split.random(likes, 0.2, seed=42)

    models = [tm.Popular(), tm.BPR(), tm.WARP(), tm.EASE(), tm.ImplicitALS()]
    names = ", ".join(type(model).__name__ for model in models)
    say(f"fitting {names} to 80 % of the likes and measuring on the rest")
    say("the first time their kernels are compiled, which takes some seconds")
    board = tm.compare(models, test, train=train, metrics=DEFAULT_METRICS)

    say("fitting WARP, EASE and ImplicitALS to all likes")
    model = tm.WARP().fit(likes)
    kept = _keep(name, films, warp=model, ease=tm.EASE().fit(likes), als=tm.ImplicitALS().fit(likes))
    toy_story = films.filter(pl.col("title") == FILM)["movie_id"].item()
    similar = model.similar_items(toy_story, k=10).join(
        films, left_on="neighbour", right_on="movie_id", maintain_order="left"
    )
    known = likes.users.take(np.flatnonzero(likes.by_user.counts)).to_list()
    person = PERSON[name] if PERSON.get(name) in known else known[0]
    liked = likes.to_frame().filter(pl.col("user_id") == person).join(films, on="movie_id", maintain_order="left")
    recommended = model.recommend(person, k=10).join(films, on="movie_id", maintain_order="left")
    return Demo(
        data=(
            f"{len(ratings):,} ratings of {ratings.n_items:,} films by {ratings.n_users:,} people; "
            f"the {len(likes):,} of at least 4 stars are likes"
        ),
        board=board,
        similar=similar.select("rank", "title", "genres", "score"),
        person=person,
        liked=liked.select("title", "genres"),
        recommended=recommended.select("rank", "title", "genres", "score"),
        kept=kept,
    )


def _keep(name: Name, films: pl.DataFrame, **models: tm.Model) -> Path:
    """Write the models and the films into the cache folder; returns the path of the films."""
    folder = cache_folder() / f"demo-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    for stem, model in models.items():
        model.save(folder / f"{stem}.safetensors")
    with whole_file(folder / "films.csv") as file:
        films.write_csv(file)
    return folder / "films.csv"


def show(demo: Demo, console: Console) -> None:
    """Print the tables of a demo."""
    from rich.markup import escape

    console.print(f"[bold]{escape(demo.data)}[/bold]\n")

    _show_heading(console, "How good is the list of ten? Trained on 80 % of the likes, measured on the rest")
    console.print(demo.board.table(intervals=False))
    console.print()

    _show_heading(console, f"The films most like {FILM}")
    similar = [
        (rank, film, _name_genres(genres, 3), f"{score:.2f}") for rank, film, genres, score in demo.similar.rows()
    ]
    console.print(PlainTable(_SIMILAR, similar))

    _show_heading(console, f"User {demo.person} liked {len(demo.liked)} films. What next?")
    liked = [*demo.liked["title"], *[None] * len(demo.recommended)]
    side_by_side = [
        (own, title, _name_genres(genres, 2))
        for own, (_, title, genres, _) in zip(liked, demo.recommended.iter_rows(), strict=False)
    ]
    console.print(PlainTable(_NEXT, side_by_side))

    _show_heading(console, "Next, with your own data")
    for line in (
        "tastemap info ratings.csv",
        "tastemap compare ratings.csv --at-least 4",
        "tastemap fit ratings.csv --at-least 4 --out als.safetensors",
        "tastemap recommend als.safetensors --user 4",
    ):
        console.print(f"  {line}")

    console.print()
    _show_heading(console, "Look at these models in a browser")
    folder = shlex.quote(str(demo.kept.parent))
    films = f"{folder}/{demo.kept.name}"
    console.print(f"  tastemap explore {folder}/*.safetensors --items {films}", soft_wrap=True, highlight=False)


# Long titles are cut, so that genres and numbers are whole in 100 columns.
_SIMILAR = (
    Column("", is_number=True, widest=2),
    Column("film", widest=52),
    Column("genres", widest=34),
    Column("cosine", is_number=True, widest=6),
)
_NEXT = (Column("liked, for example", widest=31), Column("recommended", widest=40), Column("genres", widest=23))


def _show_heading(console: Console, text: str) -> None:
    console.print(f"[bold]{text}[/bold]")


def _name_genres(genres: str, n: int) -> str:
    return ", ".join(genres.split("|")[:n])
