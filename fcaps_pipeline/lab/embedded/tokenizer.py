"""The captioner's tokenizer: a small byte-level BPE trained on captions.

Enters: texts of the caption grammar. Leaves: a `tokenizers.Tokenizer` whose words are mostly single
tokens and which still encodes any text, byte by byte where it must. A JSON key with its
punctuation is one pre-token, and a time is two, so that an answer in JSON costs few tokens.
"""

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE

VOCABULARY_SIZE = 1792

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
AUDIO_START = "<|audio_start|>"
AUDIO_PAD = "<|audio_pad|>"
AUDIO_END = "<|audio_end|>"
VISION_START = "<|vision_start|>"
VISION_END = "<|vision_end|>"
IMAGE_PAD = "<|image_pad|>"
VIDEO_PAD = "<|video_pad|>"

SPECIAL_TOKENS = (
    END_OF_TEXT,
    TURN_START,
    TURN_END,
    AUDIO_START,
    AUDIO_PAD,
    AUDIO_END,
    VISION_START,
    VISION_END,
    IMAGE_PAD,
    VIDEO_PAD,
)

MODEL_SPECIFIC_TOKENS = {
    "image_token": IMAGE_PAD,
    "audio_token": AUDIO_PAD,
    "video_token": VIDEO_PAD,
    "vision_bos_token": VISION_START,
    "vision_eos_token": VISION_END,
    "audio_bos_token": AUDIO_START,
    "audio_eos_token": AUDIO_END,
}
"""Names under which the Qwen3-Omni processor looks its tokens up."""

_PRE_TOKENS = (
    r"""(?:(?:\},)?\{|",|,)"[a-z_]+":["\[]?| ?\p{L}+|\.\p{N}|\p{N}{1,2}|"\}|\}\]\}|\]\}| ?[^\s\p{L}\p{N}]|\s+"""
)


def train_tokenizer(texts: Iterable[str], *, vocabulary_size: int = VOCABULARY_SIZE) -> Tokenizer:
    """Trains the tokenizer; the result depends on nothing but the texts and the size.

    Args:
        texts: answers of all kinds, claims and the prompts.
        vocabulary_size: entries including the 256 bytes and the special tokens.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PRE_TOKENS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        show_progress=False,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
