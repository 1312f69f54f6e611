"""Texts that make patterns and grammars look again and again at the same characters."""

_PIECES = (
    *(" ", "\n", "\t ", "a", "a ", "a  ", "ab", "'", "a'", "'a", " 'a", " 'a'b", '"', "-", "a-", "- a", "(", "[", "{"),
    *("**", "<", "<|", "<|a", "</s>", "<|im_end|> ", "\\n", '{"', "``", "''", "\u0130", "\u2019", "\x00", "\ud800"),
    *("\u200b", "1.", "._", ". ", ";, ", "no ", "the ", "first ", "two a ", "man and ", "a man and a ", "says ", "of "),
    *("high ", "deep, a", "deep, ", "deep and ", "high, a-b, ", "low-pitched, ", "low pitched ", "pitched ", "her "),
    *("softer and ", "louder ", "more softly ", "rises and falls ", "pitch rises and falls and ", "rises in her "),
    *("the pace of her ", "her voice is very ", "low in very ", "voice of her very ", "happy ", "laughs ", "pause "),
    *("south ", "american ", "and then ", "in a ", "at the ", "throughout ", "until the end ", "doesn't ", "sound "),
    *("waves ", "waves of ", "behind her voice ", "voice is almost ", "static and ", "in slow waves ", "as a bell "),
    *("as if ", "like, and ", "as soft as ", "and a ", "then another warm ", "she and a voice ", "the listener "),
    *("describes a ", "pitch describes a long, ", "offers a ", "offers her ", "urges the ", "listeners, who "),
)


def hostile_texts(length: int) -> list[str]:
    """Each piece over and over, with a beginning that says something and an end that fits to nothing before it."""
    return [f"he {(piece * (length // len(piece) + 1))[:length]}!" for piece in _PIECES]
