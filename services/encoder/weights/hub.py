"""The model hub, through its own client: `HF_ENDPOINT`, `HF_TOKEN_PATH` and proxies are read by that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is of the client's HTTP library
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    XetDownloadError,
)
from huggingface_hub.utils.tqdm import disable_progress_bars

from services.common.errors import UnavailableError
from services.common.settings import SettingsError
from services.encoder.weights.choice import RemoteFile
from services.encoder.weights.folder import PinnedModel

_TIMEOUT_S = 30.0


class Hub:
    """Lists and downloads the files of one revision."""

    def __init__(self) -> None:
        disable_progress_bars()

    def files(self, model: PinnedModel) -> list[RemoteFile]:
        """Every file of the revision, with what its bytes can be checked by.

        Raises:
            SettingsError: There is no such model or revision, or it asks for a token.
            UnavailableError: The hub cannot be reached, or fails.
        """
        with _hub_errors(model):
            found = HfApi().model_info(
                model.name, revision=model.revision, files_metadata=True, timeout=_TIMEOUT_S
            )
        if found.sha != model.revision:
            raise SettingsError(
                f"{model.variable}_REVISION={model.revision!r} is the commit {found.sha}: write that"
            )
        return [
            RemoteFile(
                name=file.rfilename,
                size_bytes=file.size or 0,
                sha256=file.lfs.sha256 if file.lfs else None,
                git_sha1=None if file.lfs else file.blob_id,
            )
            for file in found.siblings or ()
        ]

    def download(self, model: PinnedModel, files: Sequence[RemoteFile], folder: Path) -> None:
        """Put `files` into `folder`; what is there already is kept. Errors as in `files`."""
        with _hub_errors(model):
            snapshot_download(
                model.name,
                revision=model.revision,
                local_dir=folder,
                allow_patterns=[file.name for file in files],
                etag_timeout=_TIMEOUT_S,
            )


@contextmanager
def _hub_errors(model: PinnedModel) -> Iterator[None]:
    try:
        yield
    except GatedRepoError:
        raise SettingsError(
            f"{model} asks for an accepted licence and a token: put the token into a file and write its path to "
            "HF_TOKEN_PATH"
        ) from None
    except RevisionNotFoundError:
        raise SettingsError(
            f"{model} has no commit {model.revision!r}: write one of its history to {model.variable}_REVISION"
        ) from None
    except (RepositoryNotFoundError, HFValidationError):
        raise SettingsError(
            f"{model} is not on the hub, or only with a token: write the id as the hub has it"
        ) from None
    except (HfHubHTTPError, XetDownloadError, HTTPError, ConnectionError, TimeoutError) as error:
        raise UnavailableError(f"The model hub does not answer ({type(error).__name__}).") from error
