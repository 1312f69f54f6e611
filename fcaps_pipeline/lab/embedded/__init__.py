"""How the shipped captioner is made: caption grammar, tokenizer, training, evaluation, model folder."""
