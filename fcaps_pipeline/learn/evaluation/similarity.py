"""Style similarity: the model's cosines of rated pairs of clip and caption beside what people said of them.

Enters: a model, a task. Leaves: its outcome, with published figures beside it where they may stand there.
Shape suffixes: P pairs, E embedding.
"""

import numpy as np

from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.learn.evaluation.corpora.published import Protocol, compare
from fcaps_pipeline.learn.evaluation.embedder import Embedder
from fcaps_pipeline.learn.evaluation.job import SimilarityTask
from fcaps_pipeline.learn.evaluation.metrics.ratings import mean_ratings, rater_agreement, read_ratings
from fcaps_pipeline.learn.evaluation.metrics.similarity import score_similarity
from fcaps_pipeline.learn.evaluation.outcomes import SimilarityOutcome
from fcaps_pipeline.learn.evaluation.queries import QuerySet
from fcaps_pipeline.learn.evaluation.units import CLIPS


def measure_similarity(
    embedder: Embedder, task: SimilarityTask, name: str, rng: np.random.Generator
) -> tuple[SimilarityOutcome, list[QuerySet]]:
    """Measures one task.

    Args:
        embedder: the model.
        task: ratings and clips.
        name: of the task, which stands for the data where it is no published set.
        rng: draws clips for the intervals.

    Raises:
        SourceError: the ratings cannot be read or have bad lines, or the folder is missing.
        RecordingError: none of the clips can be decoded.
        UsageError: the ratings or the cosines are all equal.
    """
    ratings = read_ratings(resolve_path(task.ratings))
    folder = resolve_path(task.folder)
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder; give the one in which the rated clips are")
    clips = list(dict.fromkeys(rating.clip for rating in ratings))
    files = embedder.files([folder / clip for clip in clips])
    row_of = {clips[position]: row for row, position in enumerate(files.kept)}
    usable = [rating for rating in ratings if rating.clip in row_of]
    pairs = mean_ratings(usable)
    captions = list(dict.fromkeys(pair.caption for pair in pairs))
    texts = embedder.texts(captions)
    number = {caption: index for index, caption in enumerate(captions)}
    speech_PE = files.speech_BE[[row_of[pair.clip] for pair in pairs]]
    text_PE = texts.text_NE[[number[pair.caption] for pair in pairs]]
    agreement = rater_agreement(usable, rng)
    cosines_P = (speech_PE * text_PE).sum(dim=1).cpu().numpy()
    scores = score_similarity(pairs, cosines_P, agreement, rng)
    num_raters = len({rating.rater for rating in usable if rating.rater is not None})
    protocol = Protocol(task="similarity", data=task.benchmark or name, num_raters=num_raters or None)
    outcome = SimilarityOutcome(
        scores=scores,
        unit=CLIPS,
        num_clips=len(files.kept),
        num_texts=len(captions),
        num_cut_texts=texts.num_cut,
        bad_items=files.bad_items,
        notes=_notes(len(ratings), len(usable)),
        comparisons=compare("Pearson", scores.pearson, protocol),
    )
    columns = {"similarity": cosines_P.astype(np.float64), "rating": np.array([pair.rating for pair in pairs])}
    queries = tuple(f"{pair.clip}: {pair.caption}" for pair in pairs)
    return outcome, [QuerySet("ratings", queries, tuple(pair.clip for pair in pairs), columns)]


def _notes(num_ratings: int, num_usable: int) -> tuple[str, ...]:
    if num_usable == num_ratings:
        return ()
    return (f"{num_ratings - num_usable} of {num_ratings} ratings were left out with the clips named below.",)
