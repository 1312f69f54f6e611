"""The contrastive benchmark on synthetic speech: what each training stage and the frame stream are worth."""
