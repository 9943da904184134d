"""One torch thread for each test worker, no deadlines on shared machines, and the tests' own modules by name."""

import sys
from pathlib import Path

import hypothesis
import torch

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)
hypothesis.settings.register_profile("shared", deadline=None, print_blob=True)
hypothesis.settings.load_profile("shared")
