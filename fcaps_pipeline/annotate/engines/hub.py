"""Whether a model named like `owner/name` can be had: from the cache of the model hub, or from the hub.

Enters: name and revision. Leaves: nothing, or a ModelError. Downloading is left to the engine.
"""

import re

from fcaps_pipeline.errors import ModelError

_ANSWER_S = 1.5
_COMMIT = re.compile(r"[0-9a-f]{40}")


def check_pinned(name: str, revision: str | None) -> None:
    """A name on the hub alone says not which weights: the owner can put others there at any time.

    Raises:
        ModelError: the revision is missing, or a branch or tag, which can move.
    """
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ModelError(
            f"model {name} is no folder here, and of a model on the hub the commit is expected as revision, 40 hex "
            f"digits, found {revision or 'nothing'}; copy it from https://huggingface.co/{name}/commits/main"
        )


def check_hub_model(name: str, revision: str | None) -> None:
    """Looks into the cache, then asks the hub.

    Raises:
        ModelError: the hub does not know the model, or it is not in the cache and the hub cannot be asked.
    """
    from httpx2 import HTTPError
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
        return
    try:
        HfApi().model_info(name, revision=revision, timeout=_ANSWER_S)
    except GatedRepoError:
        raise ModelError(f"model {name} is gated: accept its terms on the hub, and set HF_TOKEN") from None
    except RepositoryNotFoundError:
        raise ModelError(f"model {name} is not on the hub, nor a folder here; check the spelling") from None
    except (HTTPError, OSError) as error:
        raise ModelError(
            f"model {name} is not in the cache of the hub, and the hub cannot be asked ({type(error).__name__}); "
            "download it where there is a network, or give the path of its folder"
        ) from error
