"""A linear model's weights and its optimizer's sums, out of River and back, by its public names only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from river import optim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from river.linear_model.base import GLM
    from river.optim.base import DictLike, VectorLike


def in_order(by_name: Mapping[Any, float] | None, names: Sequence[str]) -> list[float]:
    """Return the number of each name, 0 where there is none yet."""
    return [float(by_name.get(name, 0.0)) for name in names] if by_name else [0.0] * len(names)


def put_weights(model: GLM, names: Sequence[str], weights: Sequence[float]) -> None:
    """Give a linear model that has learned nothing its weights back; its optimizer stays as it is."""
    optimizer, intercept = model.optimizer, model.intercept
    model.optimizer = _Put(dict(zip(names, weights, strict=True)))
    learn: Any = model
    learn.learn_one(dict.fromkeys(names, 0.0), 0)
    model.optimizer, model.intercept = optimizer, intercept


class _Put(optim.base.Optimizer):
    """Sets weights in place of moving them: River has no other public way to give a linear model its weights back."""

    def __init__(self, weights: dict[str, float]) -> None:
        super().__init__(0.0)
        self._put = weights

    def step(self, w: DictLike | VectorLike, g: DictLike | VectorLike) -> DictLike | VectorLike:
        del g
        for name, weight in self._put.items():
            w[name] = weight
        return w
