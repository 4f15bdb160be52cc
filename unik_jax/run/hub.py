"""Runs on the Hugging Face Hub: hf://owner/name, fetched into its cache."""

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import unik_jax
from unik_jax.errors import UserError
from unik_jax.run import paths

_PREFIX = 'hf://'
_ADDRESS = re.compile(r'hf://([\w.-]+/[\w.-]+)(?:@([\w.-][\w./-]*))?')
_REQUIRED = (paths.CONFIG, paths.DATA, paths.WEIGHTS)


class FetchedRun(NamedTuple):
  """An exported run in the cache of huggingface_hub.

  Attributes:
    folder: the local folder.
    address: hf://owner/name@COMMIT, with the whole hash of the commit.
  """

  folder: pathlib.Path
  address: str


def is_address(run: str | os.PathLike) -> bool:
  """Returns whether a run's path is an address on the Hub: hf://..."""
  return str(run).startswith(_PREFIX)


def refuse_address(flag: str, run: str) -> None:
  """Raises a UserError if a command that writes to a run gets an address."""
  if is_address(run):
    raise UserError(
      f'{flag}: expected a folder, to which this command writes, got {run}.'
      f' Copy the run first: python -m unik_jax.export --run={run}'
      ' --to_folder=FOLDER'
    )


def fetch_run(address: str) -> FetchedRun:
  """Fetches the files of an exported run that the cache lacks.

  Without a network, the run in the cache is used.

  Args:
    address: hf://owner/name, or hf://owner/name@REVISION with a branch, tag or
      commit (default: the branch main).

  Raises:
    UserError: the address is not of this form; the repository is missing,
      private or not an exported run; the Hub cannot be reached; or
      huggingface_hub is not installed.
  """
  match = _ADDRESS.fullmatch(address)
  if not match:
    raise UserError(
      f'{address}: expected hf://owner/name or hf://owner/name@revision'
    )
  repository, revision = match.groups()
  with explain_errors(address):
    from huggingface_hub import snapshot_download

    folder = pathlib.Path(
      snapshot_download(
        repository,
        revision=revision,
        allow_patterns=list(paths.EXPORTED),
        library_name='unik_jax',
        library_version=unik_jax.__version__,
      )
    )
  missing = [name for name in _REQUIRED if not (folder / name).exists()]
  if missing:
    raise UserError(
      f'{address}: expected a run that unik_jax exported, got a repository'
      f' without {", ".join(missing)}. Upload one with python -m'
      ' unik_jax.export --run=DIR --to_hub=owner/name'
    )
  # The cache names the folder of a snapshot by its commit.
  return FetchedRun(folder, f'{_PREFIX}{repository}@{folder.name}')


@contextlib.contextmanager
def explain_errors(name: str) -> Iterator[None]:
  """Raises a UserError with a remedy for an error of huggingface_hub.

  Args:
    name: the repository, as the user named it.
  """
  try:
    yield
  except UserError:
    raise
  except ImportError:
    raise UserError(
      f"{name}: needs huggingface_hub. Install it: pip install 'unik_jax[hub]'"
    ) from None
  except Exception as error:  # of the HTTP library too, which changes
    raise UserError(f'{name}: {_explain(error)}') from error


def _explain(error):
  from huggingface_hub import errors

  if isinstance(error, errors.GatedRepoError):
    return (
      'access is granted by its owner. Ask for it on the page of the'
      ' repository, then log in with `hf auth login`'
    )
  if isinstance(error, errors.RepositoryNotFoundError):
    return (
      'no such repository, or one that needs a login. Check the name, or log in'
      ' with `hf auth login` or HF_TOKEN'
    )
  if isinstance(error, errors.RevisionNotFoundError):
    return (
      'no such revision. Name a branch, a tag or a commit of the repository'
    )
  if isinstance(error, errors.LocalEntryNotFoundError):
    return (
      f'the Hub cannot be reached ({_quote(error.__cause__ or error)}), and'
      ' the cache does not have this run. Connect to the network, or copy the'
      ' run here and name its folder'
    )
  if isinstance(error, errors.HfHubHTTPError):
    if error.response.status_code in (401, 403):
      return (
        f'access was refused ({_quote(error)}). Log in with `hf auth login`, or'
        ' set HF_TOKEN to a token that may do this'
      )
  if isinstance(error, errors.HFValidationError):
    return f'{_quote(error)}. Expected owner/name'
  return (
    f'failed ({_quote(error)}). If the network was the cause, run the command'
    ' again'
  )


def _quote(error):
  """Returns an error's type and text in one line."""
  return f'{type(error).__name__}: {" ".join(str(error).split())}'
