"""Answers from the thinker in transformers, batched, for evaluation.

Enters: features of clips, and a request about each. Leaves: the text that follows. vLLM gives the same text
token for token when it serves the same weights in float32 and takes the likeliest token.
"""

from collections.abc import Callable
from functools import partial

import torch
from tokenizers import Tokenizer
from transformers import DynamicCache

from fcaps_pipeline.lab.embedded import tokenizer as tok
from fcaps_pipeline.lab.embedded.architecture import token_id
from fcaps_pipeline.lab.embedded.features import Mel, pad_mels
from fcaps_pipeline.lab.embedded.forward import FRAMES_PER_CHUNK, Thinker, encode_audio

MAX_NEW_TOKENS = 120


def generate(
    thinker: Thinker,
    tokenizer: Tokenizer,
    requests: list[list[int]],
    mels: list[Mel],
    *,
    temperature: float,
    generator: torch.Generator,
) -> list[str]:
    """One answer per clip; an answer without an end is cut at 120 tokens.

    Args:
        thinker: in evaluation mode.
        tokenizer: of the thinker.
        requests: tokens of the whole request about each clip.
        mels: features of a few clips, which are padded to the longest.
        temperature: of sampling; 0 takes the likeliest token.
        generator: draws the tokens of sampling.
    """
    turn_end, padding = token_id(tokenizer, tok.TURN_END), token_id(tokenizer, tok.END_OF_TEXT)
    longest = max(len(request) for request in requests)
    tokens_BT = torch.tensor([[padding] * (longest - len(ids)) + ids for ids in requests])
    mask_BT = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in requests])
    with torch.inference_mode():
        embeddings_BTD = _embed(thinker, tokens_BT, mels)
        choose = partial(_choose, temperature=temperature, generator=generator)
        answers_BN = _continue(thinker, embeddings_BTD, mask_BT, turn_end, choose)
    texts = []
    for answer in answers_BN.tolist():
        end = answer.index(turn_end) if turn_end in answer else len(answer)
        texts.append(tokenizer.decode(answer[:end]))
    return texts


def _embed(thinker: Thinker, tokens_BT: torch.Tensor, mels: list[Mel]) -> torch.Tensor:
    mel_BFM, lengths_B = pad_mels(mels, FRAMES_PER_CHUNK)
    audio_BAD, mask_BA = encode_audio(thinker, mel_BFM, lengths_B)
    is_audio = tokens_BT == thinker.config.audio_token_id
    embeddings_BTD: torch.Tensor = thinker.model.embed_tokens(tokens_BT)
    return embeddings_BTD.masked_scatter(is_audio[..., None], audio_BAD[mask_BA])


def _choose(logits_BV: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
    """The next token of every clip."""
    if temperature == 0.0:
        return logits_BV.argmax(-1)
    return torch.multinomial((logits_BV.float() / temperature).softmax(-1), 1, generator=generator)[:, 0]


def _continue(
    thinker: Thinker,
    embeddings_BTD: torch.Tensor,
    mask_BT: torch.Tensor,
    turn_end: int,
    choose: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Tokens after the requests, until all have ended."""
    cache = DynamicCache(config=thinker.config.text_config)
    positions_BT = (mask_BT.cumsum(1) - 1).clamp(min=0)
    inputs_BTD = embeddings_BTD
    chosen: list[torch.Tensor] = []
    ended_B = torch.zeros(len(mask_BT), dtype=torch.bool)
    for _ in range(MAX_NEW_TOKENS):
        output = thinker.model(
            inputs_embeds=inputs_BTD,
            attention_mask=mask_BT,
            position_ids=positions_BT,
            past_key_values=cache,
            use_cache=True,
        )
        tokens_B = choose(thinker.lm_head(output.last_hidden_state[:, -1]))
        chosen.append(tokens_B)
        ended_B = ended_B | (tokens_B == turn_end)
        if bool(ended_B.all()):
            break
        inputs_BTD = thinker.model.embed_tokens(tokens_B)[:, None]
        mask_BT = torch.cat([mask_BT, mask_BT.new_ones(len(mask_BT), 1)], dim=1)
        positions_BT = positions_BT[:, -1:] + 1
    return torch.stack(chosen, dim=1)
