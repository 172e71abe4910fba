import sys
from pathlib import Path

# The tests are no package; their shared payments stand beside them.
sys.path.insert(0, str(Path(__file__).parent))
