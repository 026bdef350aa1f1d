"""Keep: the places in a run folder where trainings leave what outlives their process. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Keep:
    """Nothing is kept where there is no folder."""

    folder: str = ""  # of the run
    every_s: float = 30.0  # between two states of a training
    weights: bool = False  # whether the weights of a finished training stay

    def state(self, name: str) -> Path | None:
        """What a training goes on from, by the id of its case."""
        return self._place("checkpoints", f"{name}.pt")

    def pretrained(self, name: str) -> Path | None:
        """The same of what it learns without labels first."""
        return self._place("checkpoints", f"{name}.pretrained.pt")

    def final(self, name: str) -> Path | None:
        """The weights of the finished training, by the id of its case; None where they are not asked for."""
        return self._place("checkpoints", f"{name}.final.pt") if self.weights else None

    def search(self, name: str) -> Path | None:
        """What a search for a learning rate has found so far."""
        return self._place("searches", f"{name}.json")

    def discard(self, name: str) -> None:
        """Deletes the states of a training that is over."""
        for path in (self.state(name), self.pretrained(name)):
            if path is not None:
                path.unlink(missing_ok=True)

    def _place(self, folder: str, name: str) -> Path | None:
        return Path(self.folder, folder, name) if self.folder else None


NOTHING = Keep()
