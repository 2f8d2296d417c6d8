"""A simulated Douyin shop: canonical tables with planted truths, and the exports its platforms would write."""

from helpers.demo.simulate import FAULTS, Simulation, simulate
from helpers.demo.write import write

SEED = 20261111

__all__ = ["FAULTS", "SEED", "Simulation", "simulate", "write"]
