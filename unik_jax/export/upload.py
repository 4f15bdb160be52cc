"""Upload of an exported run to the Hugging Face Hub."""

import pathlib
import re

import unik_jax
from unik_jax.errors import UserError
from unik_jax.export.exported_run import list_files
from unik_jax.run import paths
from unik_jax.run.hub import explain_errors


def check_repository(name: str) -> None:
  """Checks a repository's name and huggingface_hub, before any work.

  Raises:
    UserError: the name is not owner/name, or huggingface_hub is not installed.
  """
  if not re.fullmatch(r'[\w.-]+/[\w.-]+', name):
    raise UserError(f'--to_hub: expected owner/name, got {name!r}')
  with explain_errors(f'--to_hub={name}'):
    import huggingface_hub  # noqa: F401


def upload_run(folder: pathlib.Path, name: str, *, private: bool) -> str:
  """Uploads an exported run in one commit; creates the repository if missing.

  Files of a run uploaded before that this one lacks are deleted.

  Args:
    folder: from `export_run`.
    name: the repository, owner/name.
    private: whether only its owner sees it.

  Returns:
    The address of the commit, hf://owner/name@COMMIT.

  Raises:
    UserError: the Hub refuses it or cannot be reached, or the repository exists
      and is public although `private` is set.
  """
  with explain_errors(f'--to_hub={name}'):
    from huggingface_hub import (
      CommitOperationAdd,
      CommitOperationDelete,
      HfApi,
    )

    api = HfApi(library_name='unik_jax', library_version=unik_jax.__version__)
    # Without --private, the owner's default decides.
    api.create_repo(name, private=private or None, exist_ok=True)
    info = api.model_info(name)
    if private and not info.private:
      raise UserError(
        f'--to_hub={name}: expected a private repository, got a public one,'
        ' which exists already. Make it private on its page, or name another'
      )
    files = list_files(folder)
    uploaded = {file.rfilename for file in info.siblings or ()}
    stale = sorted(uploaded & {*paths.EXPORTED} - {*files})
    commit = api.create_commit(
      name,
      [CommitOperationAdd(file, folder / file) for file in files]
      + [CommitOperationDelete(file, is_folder=False) for file in stale],
      commit_message=f'Run exported by unik_jax {unik_jax.__version__}',
    )
    return f'hf://{name}@{commit.oid}'
