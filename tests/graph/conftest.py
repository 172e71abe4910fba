import sys
from pathlib import Path

# `tests.graph.payments` is shared by this folder's tests; plain `pytest` does not add the root.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
