"""Writes and reads the folder that vLLM and transformers serve.

Enters: a thinker and its tokenizer. Leaves: config, generation defaults, tokenizer, processor
files, chat template and `model.safetensors` in bfloat16 under the names of the published
Qwen3-Omni checkpoints, so that both libraries read them as they read the production models.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import Qwen3OmniMoeThinkerForConditionalGeneration

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.lab.embedded import tokenizer as tok
from fcaps_pipeline.lab.embedded.architecture import MAX_POSITIONS, build_config, build_feature_extractor, token_id
from fcaps_pipeline.storage.files import usual_rights

WEIGHTS_FILE = "model.safetensors"

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['content'] is string -%}{{- message['content'] -}}"
    "{%- else -%}{%- for part in message['content'] -%}"
    "{%- if part['type'] in ('audio', 'audio_url', 'input_audio') -%}"
    "{{- '<|audio_start|><|audio_pad|><|audio_end|>' -}}"
    "{%- elif part['type'] == 'text' -%}{{- part['text'] -}}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{- '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)

_REQUEST_BEFORE_PROMPT = "<|im_start|>user\n<|audio_start|><|audio_pad|><|audio_end|>"
_REQUEST_AFTER_PROMPT = "<|im_end|>\n<|im_start|>assistant\n"


def request_text(prompt: str) -> str:
    """What the chat template makes of one audio followed by one instruction."""
    return _REQUEST_BEFORE_PROMPT + prompt + _REQUEST_AFTER_PROMPT


def new_thinker(tokenizer: Tokenizer, *, seed: int) -> Qwen3OmniMoeThinkerForConditionalGeneration:
    """An untrained thinker whose weights depend on the seed alone."""
    torch.manual_seed(seed)
    model = Qwen3OmniMoeThinkerForConditionalGeneration(build_config(tokenizer).thinker_config).to(torch.float32)
    # The weights of transformers are drawn for fine-tuning giants: through three small convolutions they would
    # leave next to nothing of the sound beside the position embedding.
    tower = model.audio_tower
    for convolution in (tower.conv2d1, tower.conv2d2, tower.conv2d3):
        torch.nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        torch.nn.init.zeros_(convolution.bias)
    torch.nn.init.kaiming_normal_(tower.conv_out.weight, nonlinearity="linear")
    return model


def write_model_folder(folder: Path, model: Qwen3OmniMoeThinkerForConditionalGeneration, tokenizer: Tokenizer) -> None:
    """Writes everything but the model card; existing files of the same names are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    config = build_config(tokenizer)
    config.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    build_feature_extractor().save_pretrained(folder)
    _write_json(folder / "tokenizer_config.json", _tokenizer_config())
    _write_json(folder / "generation_config.json", _generation_config(tokenizer))
    _add_vision_fields(folder / "preprocessor_config.json")
    _write_json(folder / "video_preprocessor_config.json", _VISION_FIELDS | {"video_processor_type": _VIDEO_CLASS})
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    tensors = {name: value.to(torch.bfloat16).contiguous() for name, value in _published(model.state_dict()).items()}
    with usual_rights(folder / WEIGHTS_FILE):
        save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})


def read_model_folder(folder: Path) -> tuple[Qwen3OmniMoeThinkerForConditionalGeneration, Tokenizer]:
    """The thinker in float32, with the values the folder stores, and its tokenizer.

    Raises:
        ModelError: the weights or the tokenizer are missing.
    """
    for name in (WEIGHTS_FILE, "tokenizer.json"):
        if not (folder / name).is_file():
            raise ModelError(f"{folder} has no {name}; make the folder with `fcaps captioner train --out {folder}`")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = new_thinker(tokenizer, seed=0)
    stored = load_file(folder / WEIGHTS_FILE)
    wanted = _published(model.state_dict())
    if stored.keys() != wanted.keys():
        raise ModelError(f"{folder / WEIGHTS_FILE} holds other tensors than this version expects; train it anew")
    with torch.no_grad():
        for name, target in wanted.items():
            target.copy_(stored[name])
    return model, tokenizer


def _published(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """State under published names; every tensor is a view of the given one."""
    named: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if name.endswith("experts.gate_up_proj"):
            stem = "thinker." + name.removesuffix("gate_up_proj")
            for expert, matrix in enumerate(value):
                gate, up = matrix.chunk(2, dim=0)
                named[f"{stem}{expert}.gate_proj.weight"] = gate
                named[f"{stem}{expert}.up_proj.weight"] = up
        elif name.endswith("experts.down_proj"):
            stem = "thinker." + name.removesuffix("down_proj")
            for expert, matrix in enumerate(value):
                named[f"{stem}{expert}.down_proj.weight"] = matrix
        else:
            named["thinker." + name] = value
    return named


_VISION_FIELDS: dict[str, Any] = {
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "min_pixels": 4096,
    "max_pixels": 4096,
    "size": {"shortest_edge": 4096, "longest_edge": 4096},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
_VIDEO_CLASS = "Qwen2VLVideoProcessor"


def _add_vision_fields(path: Path) -> None:
    """The processor reads its image part and its audio part from one file."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields |= _VISION_FIELDS | {"image_processor_type": "Qwen2VLImageProcessor"}
    fields["processor_class"] = "Qwen3OmniMoeProcessor"
    _write_json(path, fields)


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "processor_class": "Qwen3OmniMoeProcessor",
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
        "model_max_length": MAX_POSITIONS,
        "padding_side": "left",
        "pad_token": tok.END_OF_TEXT,
        "eos_token": tok.TURN_END,
        "extra_special_tokens": tok.MODEL_SPECIFIC_TOKENS,
    }


def _generation_config(tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 20,
        "eos_token_id": token_id(tokenizer, tok.TURN_END),
        "pad_token_id": token_id(tokenizer, tok.END_OF_TEXT),
    }


def _write_json(path: Path, fields: dict[str, Any]) -> None:
    path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8")
