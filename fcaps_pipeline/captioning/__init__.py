"""From a Segment to judged captions: engines, prompts asked, answers parsed, verified and selected."""
