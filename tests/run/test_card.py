"""The model card against the run that it is of."""

import pathlib
import shutil
import subprocess

import flax
import jax
import pytest

from unik_jax.config import default_config
from unik_jax.errors import UserError
from unik_jax.run import card

FACTS = dict(
  dataset='skeleton_folder/moves/1.0.0',
  classes=['sit_down'],
  params=12345,
  step=40,
  steps=40,
)


def make_config(**changes):
  config = default_config()
  config.data.update(
    name='skeleton_folder/moves', train_subjects=(1, 3), normalize='clean'
  )
  config.seed = 7
  config.update_from_flattened_dict(changes)
  return config


def rows(config, **changes):
  """The cells of the card's table by their names, and the whole text."""
  options = FACTS | dict(command='', written='today') | changes
  text = card.render('run', config, **options)
  lines = text.partition('|---|---|')[2].partition('## Figures')[0].split('\n')
  cells = [line[2:-2].split(' | ') for line in lines if line]
  return dict(cells), text


def make(tmp_path, **changes):
  config = make_config()
  options = FACTS | dict(
    classes=['sit_down', 'a|b', '<b>wave</b>', 'R&D~'], step=20
  )
  card.write(tmp_path, config, **options | changes)
  return (tmp_path / card.NAME).read_text()


def test_what_it_says(tmp_path):
  text = make(tmp_path)
  for words in (
    'Not evaluated yet',
    '12,345 parameters',
    'subjects 1, 3',
    '| Seed | 7 |',
    'skeleton\\_folder/moves/1.0.0, 4 classes',
    '20 of 40: training is not over',
    'preset clean',
    'lr 0.1, momentum 0.9',
    card.commit().partition('-')[0],
    f'jax {jax.__version__}, flax {flax.__version__}',
    '`python -m unik_jax.main`',  # pytest is not what trained it
    'licence',
  ):
    assert words in text
  assert not list(tmp_path.glob('*.part'))


def test_figures(tmp_path):
  figures = {
    'clips': 1234,
    'top1': 0.5,
    'mean_class': 0.25,
    'top5': 1.0,
    'intervals': {'top1': [0.4, 0.6]},
  }
  text = make(tmp_path, step=40, results={'test': figures})
  assert (
    '| test | 1,234 | **50.00% (40.0 to 60.0)** | 25.00% | 100.00% |' in text
  )
  assert '| Step | 40 |' in text


def test_names_do_not_become_markup(tmp_path):
  text = make(tmp_path)
  assert 'sit\\_down, a\\|b, \\<b\\>wave\\</b\\>, R\\&D\\~' in text


def test_recipe_protocol_and_start():
  table, text = rows(make_config())
  assert rows(make_config())[1] == text
  assert table['Validated on'] == 'nothing'
  assert table['Started from'] == 'nothing'
  assert table['Augmentation'] == 'none'
  assert table['Trained on'] == '`train`, subjects 1, 3'
  assert table['Step'] == '40'
  table, _ = rows(
    make_config(
      **{
        'init_from': 'of|other`s',
        'tune': 'head',
        'epochs': 1,
        'optim.name': 'adamw',
        'optim.schedule': 'cosine',
        'optim.clip_norm': 1.0,
        'label_smoothing': 0.1,
        'data.val_split': 'validation',
        'data.rotate': 0.3,
        'data.stream': 'bone',
      }
    )
  )
  assert table['Started from'] == (
    '`` of\\|other`s `` (init_joints nearest), of which only the classifier was'
    ' trained'
  )
  assert table['Recipe'] == (
    '1 epoch in batches of 64, adamw, clip norm 1.0, lr 0.1, schedule cosine,'
    ' weight decay 0.0001, label smoothing 0.1, tune head'
  )
  assert table['Validated on'] == '`validation`'
  assert table['Augmentation'] == 'rotate 0.3'
  assert table['Stream'] == 'bone'


def test_the_command_that_trained_it(monkeypatch):
  main = pathlib.Path(card.__file__).parents[1] / 'main.py'
  monkeypatch.setattr('sys.argv', [str(main), '--config=a b.py', '--workdir=w'])
  line = "python -m unik_jax.main '--config=a b.py' --workdir=w"
  assert card.command() == line
  assert f'```\n{line}\n```' in rows(make_config(), command=line)[1]
  monkeypatch.setattr('sys.argv', ['other.py'])
  assert card.command() == ''


def test_other_processes_write_none(tmp_path, monkeypatch):
  monkeypatch.setattr(jax, 'process_index', lambda: 1)
  card.write(tmp_path, make_config(), **FACTS)
  assert not list(tmp_path.iterdir())


def test_a_card_that_cannot_be_written_leaves_the_old_one(tmp_path):
  old = make(tmp_path)
  (tmp_path / (card.NAME + '.part')).mkdir()
  with pytest.raises(UserError, match='model_card.md cannot be written'):
    make(tmp_path, step=40)
  assert (tmp_path / card.NAME).read_text() == old


@pytest.fixture
def no_cache():
  card.commit.cache_clear()
  yield
  card.commit.cache_clear()


@pytest.mark.skipif(not shutil.which('git'), reason='needs git')
def test_the_commit_is_that_of_the_checkout(tmp_path, monkeypatch, no_cache):
  def git(*arguments):
    options = ('-c', 'user.name=a', '-c', 'user.email=a@b.c')
    done = subprocess.run(
      ('git', *options, *arguments),
      cwd=tmp_path,
      capture_output=True,
      text=True,
      check=True,
    )
    return done.stdout.strip()

  package = tmp_path / 'unik_jax'
  package.mkdir()
  monkeypatch.setattr(card, '__file__', str(package / 'card.py'))
  git('init')
  assert card.commit() == 'unknown'  # installed within another's checkout

  for file in (package / 'card.py', tmp_path / 'config.py'):
    file.write_text('')
  git('add', '.')
  git('commit', '-m', 'one')
  card.commit.cache_clear()
  commit = git('rev-parse', 'HEAD')[:12]
  assert card.commit() == commit
  (tmp_path / 'config.py').write_text('changed = 1\n')
  assert card.commit() == commit  # git is asked but once
  card.commit.cache_clear()
  assert card.commit() == commit + '-dirty'
  table, _ = rows(make_config())
  assert table['Commit'] == f'{commit}, with changes that are not committed'


@pytest.mark.parametrize(
  'error',
  [
    FileNotFoundError('git'),
    subprocess.TimeoutExpired('git', 10),
    subprocess.CalledProcessError(128, 'git'),
  ],
)
def test_git_that_fails(monkeypatch, no_cache, error):
  def fail(*arguments, **options):
    raise error

  monkeypatch.setattr(subprocess, 'run', fail)
  assert card.commit() == 'unknown'
