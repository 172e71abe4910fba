"""PaySim-shaped transactions with account take-overs, planted rings and the truth about them."""

from simulator.simulation import Simulation, simulate
from simulator.writing import write

__all__ = ["Simulation", "simulate", "write"]
