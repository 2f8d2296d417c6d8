"""A simulated Douyin shop with planted truths, and the exports of its platforms."""

from helpers.demo.simulate import FAULTS, Simulation, simulate
from helpers.demo.write import write

SEED = 20261111
