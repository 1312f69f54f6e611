"""Speech-text models: the dual encoder, its data, its training and its evaluation."""
