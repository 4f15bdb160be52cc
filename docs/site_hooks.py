"""MkDocs hooks: the README as home page, and links that leave docs/.

Pages link to each other and to the source by relative paths, which work on
GitHub. The site has no source files, so these links need the repository's
address, or become plain text without one.
"""

import logging
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
# Pages outside docs/ that the site has too, and their names there.
COPIED = {'README.md': 'index.md', 'CONTRIBUTING.md': 'contributing.md'}
_log = logging.getLogger('mkdocs.hooks')  # `--strict` counts its warnings
_LINK = re.compile(r'(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)]*)?\)')


def on_files(files, config):
  """Adds the page of CONTRIBUTING.md."""
  from mkdocs.structure.files import File

  files.append(File.generated(config, 'contributing.md', content=''))
  return files


def on_page_markdown(markdown, page, config, **_):
  """Takes the copied pages from the root, and rewrites links."""
  folder = ROOT / 'docs' / pathlib.Path(page.file.src_uri).parent
  for source, target in COPIED.items():
    if page.file.src_uri == target:
      markdown, folder = (ROOT / source).read_text(), ROOT
      markdown = markdown.replace('](docs/skeletons.png)', '](skeletons.png)')
  page_folder = pathlib.PurePosixPath(page.file.src_uri).parent

  def rewrite(match):
    text, target, anchor = match.groups()
    if '://' in target or target.startswith('mailto:'):
      return match[0]
    path = (folder / target).resolve().relative_to(ROOT).as_posix()
    if not (ROOT / path).exists():
      _log.warning('%s: no file %s', page.file.src_uri, path)
    page_name = COPIED.get(path)
    if path.startswith('docs/') and not path.endswith('.py'):
      page_name = path.removeprefix('docs/')
    if page_name:
      up = '../' * len(page_folder.parts)
      return f'[{text}]({up}{page_name}{anchor or ""})'
    if config.repo_url:
      return f'[{text}]({config.repo_url.rstrip("/")}/blob/main/{path})'
    return text

  return _LINK.sub(rewrite, markdown)
