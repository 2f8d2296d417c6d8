"""The finer tables of the demo: minutes, run log, comments, audience, enquiries, notes, goals, costs, events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.demo import orders

if TYPE_CHECKING:
    from helpers.demo.simulate import World


def tables(
    world: World, made: dict[str, pd.DataFrame], lines: orders.Lines, truth: dict[str, Any], *,
    wanted: tuple[str, ...] | None, generator: Callable[[int], np.random.Generator],
) -> dict[str, pd.DataFrame]:
    """The tables beside sessions, traffic and products that are wanted (None: all), before they are conformed."""
    found: dict[str, pd.DataFrame] = {}
    if wanted is None or {"orders", "aftersales"} & set(wanted):
        found |= orders.frames(world, lines, generator(10))
    return found
