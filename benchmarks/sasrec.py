"""Train SASRec of RecTools on sequences for some minutes and write everybody's lists; needs `make sasrec`.

    python sasrec.py PAIRS.npz LISTS.npz '{"minutes": 40, "epochs": 10000, "threads": 2, "k": 10}'

It runs in an environment without tastemap. The newest item of each of 1,000 users is kept out of training for the curve
of validation, which is printed: the loss after each epoch. The lists are those of the weights at its lowest point, from
whole sequences.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

VALIDATED = 1_000
WIDTH, BLOCKS, LONGEST = 64, 2, 100


def train_and_list(pairs: Any, minutes: float, epochs: int, threads: int, k: int) -> dict[str, Any]:
    """Return the users, items and ranks of the lists, and the seconds of training."""
    import torch
    from pytorch_lightning import Callback, Trainer
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    longest = int(pairs["position"].max())
    when = pd.Timestamp("2000-01-01") + pd.to_timedelta(longest - pairs["position"], unit="s")
    frame = pd.DataFrame({Columns.User: pairs["users"], Columns.Item: pairs["items"], Columns.Weight: 1.0})
    frame[Columns.Datetime] = when
    dataset = Dataset.construct(frame)
    told = np.random.default_rng(0).permutation(np.unique(pairs["users"]))[:VALIDATED]

    def mask(interactions: pd.DataFrame) -> np.ndarray:
        newest = interactions.groupby(Columns.User)[Columns.Datetime].rank(method="first", ascending=False) == 1
        return (newest & interactions[Columns.User].isin(told)).to_numpy()

    losses: list[float] = []  # not of the callback, which is copied
    best: dict[str, Any] = {}

    class Curve(Callback):
        """Prints the loss of validation after each epoch, and ends the training when the time is up."""

        def on_validation_epoch_end(self, trainer: Any, module: Any) -> None:
            if trainer.sanity_checking:
                return
            seconds, loss = time.perf_counter() - start, trainer.callback_metrics.get("val_loss")
            losses.append(float("nan") if loss is None else float(loss))
            if losses[-1] <= min(losses):
                best.update((name, values.clone()) for name, values in module.state_dict().items())
            print(f"epoch {trainer.current_epoch + 1}: {seconds:.0f} s, loss {losses[-1]:.4f}", flush=True)
            trainer.should_stop = seconds > 60 * minutes

    def make_trainer(**_: Any) -> Trainer:
        return Trainer(
            max_epochs=epochs,
            min_epochs=1,
            accelerator="cpu",
            devices=1,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            logger=False,
            callbacks=[Curve()],
        )

    model = SASRecModel(
        n_factors=WIDTH,
        n_blocks=BLOCKS,
        n_heads=2,
        session_max_len=LONGEST,
        epochs=epochs,
        verbose=0,
        get_val_mask_func=mask,
        get_trainer_func=make_trainer,
    )
    start = time.perf_counter()
    model.fit(dataset)
    seconds = time.perf_counter() - start
    model.lightning_model.load_state_dict(best)
    # Who has one pair is not trained on, and gets no list.
    users = np.unique(pairs["users"])
    lists = model.recommend(users, dataset, k=k, filter_viewed=True, on_unsupported_targets="ignore")
    return {
        "users": lists[Columns.User].to_numpy(np.int64),
        "items": lists[Columns.Item].to_numpy(np.int64),
        "ranks": lists[Columns.Rank].to_numpy(np.int64),
        "seconds": seconds,
        "losses": losses,
    }


if __name__ == "__main__":
    given, target, options = sys.argv[1:]
    np.savez(target, **train_and_list(np.load(given), **json.loads(options)))
