"""A generator that is set back draws again what it drew first. The import changes torch: in a process of its own."""

import subprocess
import sys

_CODE = """
import torch
from fcaps_pipeline.annotate.engines import cpu_worker
generator = torch.Generator(device="cpu")
generator.manual_seed(5)
def draw():
    return torch.randint(0, 2**31, (1,), generator=generator).item()
first = draw()
generator.set_offset(generator.get_offset() - 4)
print([draw() == first, draw() != first, isinstance(generator, cpu_worker.RewindingGenerator)])
"""


def test_a_generator_goes_back_to_its_seed() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[True, True, True]"
