"""A simulated Douyin shop: canonical tables with planted truths, and the exports its platforms would write."""

from helpers.demo.simulate import FAULTS, Simulation, simulate

__all__ = ["FAULTS", "Simulation", "simulate"]
