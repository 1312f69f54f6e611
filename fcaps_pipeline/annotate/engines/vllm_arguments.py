"""Lists the arguments of the installed vLLM's engine, so that jobs can be checked where vLLM is not imported.

Enters: vLLM. Leaves: `jobs/vllm_arguments.json`, by

    python -m fcaps_pipeline.annotate.engines.vllm_arguments > fcaps_pipeline/jobs/vllm_arguments.json

Each argument has the kinds of values that it takes, and the values themselves where they can be listed.
A test fails when the file is not what the pinned vLLM says.
"""

import dataclasses
import enum
import json
import sys
import types
import typing
from typing import Any, Literal

_KINDS: dict[Any, str] = {bool: "bool", int: "int", float: "float", str: "str", list: "list", set: "list", dict: "dict"}


def describe_arguments() -> dict[str, Any]:
    """Version of vLLM, and each argument with its kinds of values and the values that can be listed."""
    import vllm
    from vllm import AsyncEngineArgs
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS

    # The one name that vLLM imports for type checkers alone; it is a mapping.
    hints = typing.get_type_hints(AsyncEngineArgs, localns={"QuantizationConfigArgs": dict[str, Any]})
    names = sorted(field.name for field in dataclasses.fields(AsyncEngineArgs) if not field.name.startswith("_"))
    arguments = {name: _describe(hints[name]) for name in names}
    arguments["quantization"] = {"kinds": ["none"], "values": sorted(QUANTIZATION_METHODS)}
    return {"vllm": vllm.__version__.partition("+")[0], "arguments": arguments}


def as_text(found: dict[str, Any]) -> str:
    """The file: one argument a line, so that a new vLLM shows in a diff."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in found["arguments"].items())
    return f'{{\n "vllm": {json.dumps(found["vllm"])},\n "arguments": {{\n{lines}\n }}\n}}\n'


def _describe(hint: Any) -> dict[str, list[Any]]:
    kinds: set[str] = set()
    values: list[Any] = []
    for part in _parts(hint):
        if typing.get_origin(part) is Literal:
            values += [value for value in typing.get_args(part) if value is not None]
            kinds |= {"none"} if None in typing.get_args(part) else set()
        else:
            kinds.add(_kind(part))
    return {"kinds": sorted(kinds), "values": values}


def _parts(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return tuple(part for one in typing.get_args(hint) for part in _parts(one))
    return (hint,)


def _kind(part: Any) -> str:
    """Names of members stand for enumerations; what only code can make, such as a function, is left out."""
    origin = typing.get_origin(part) or part
    if origin is types.NoneType:
        return "none"
    if origin in _KINDS:
        return _KINDS[origin]
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return "int" if issubclass(origin, int) else "str"
    return "dict" if dataclasses.is_dataclass(origin) else "code"


if __name__ == "__main__":
    sys.stdout.write(as_text(describe_arguments()))
