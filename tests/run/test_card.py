"""The model card's content, and files that must not be damaged by it."""

import flax
import jax
import pytest

from unik_jax.config import default_config
from unik_jax.errors import UserError
from unik_jax.run import card, paths
from unik_jax.run.provenance import git_commit

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


def render(config, **changes):
  """Returns the card's table as a dict, and its whole text."""
  options = FACTS | dict(command='', written='today') | changes
  text = card.render_card('run', config, **options)
  lines = text.partition('|---|---|')[2].partition('## Results')[0].split('\n')
  cells = [line[2:-2].split(' | ') for line in lines if line]
  return dict(cells), text


def write(tmp_path, **changes):
  """Writes a card of four classes and returns its text."""
  facts = FACTS | dict(
    classes=['sit_down', 'a|b', '<b>wave</b>', 'R&D~'], step=20
  )
  card.write_card(tmp_path, make_config(), **facts | changes)
  return (tmp_path / paths.MODEL_CARD).read_text()


def test_facts_of_the_run(tmp_path):
  text = write(tmp_path)
  for words in (
    'Not evaluated yet',
    '12,345 parameters',
    'subjects 1, 3',
    '| Seed | 7 |',
    'skeleton\\_folder/moves/1.0.0, 4 classes',
    '20 of 40: training is not over',
    'preset clean',
    'lr 0.1, momentum 0.9',
    git_commit().partition('-')[0],
    f'jax {jax.__version__}, flax {flax.__version__}',
    '`python -m unik_jax.main`',  # this process is not the one that trained
    'licence',
  ):
    assert words in text
  assert not list(tmp_path.glob('*.part'))


def test_results_with_intervals(tmp_path):
  metrics = {
    'clips': 1234,
    'top1': 0.5,
    'mean_class': 0.25,
    'top5': 1.0,
    'intervals': {'top1': [0.4, 0.6]},
  }
  text = write(tmp_path, step=40, results={'test': metrics})
  assert (
    '| test | 1,234 | **50.00% (40.0 to 60.0)** | 25.00% | 100.00% |' in text
  )
  assert '| Step | 40 |' in text


def test_class_names_do_not_become_markup(tmp_path):
  text = write(tmp_path)
  assert 'sit\\_down, a\\|b, \\<b\\>wave\\</b\\>, R\\&D\\~' in text


def test_splits_recipe_and_initial_weights():
  table, text = render(make_config())
  assert render(make_config())[1] == text
  assert table['Validated on'] == 'nothing'
  assert table['Started from'] == 'nothing'
  assert table['Augmentation'] == 'none'
  assert table['Trained on'] == '`train`, subjects 1, 3'
  assert table['Step'] == '40'
  table, _ = render(
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
    '`` of\\|other`s `` (init_joints nearest), training the classifier only'
  )
  assert table['Recipe'] == (
    '1 epoch in batches of 64, adamw, clip norm 1.0, lr 0.1, schedule cosine,'
    ' weight decay 0.0001, label smoothing 0.1, tune head'
  )
  assert table['Validated on'] == '`validation`'
  assert table['Augmentation'] == 'rotate 0.3'
  assert table['Stream'] == 'bone'


def test_the_training_command_is_a_code_block():
  line = "python -m unik_jax.main '--config=a b.py' --workdir=w"
  assert f'```\n{line}\n```' in render(make_config(), command=line)[1]


def test_only_the_first_process_writes(tmp_path, monkeypatch):
  monkeypatch.setattr(jax, 'process_index', lambda: 1)
  card.write_card(tmp_path, make_config(), **FACTS)
  assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_card(tmp_path):
  old = write(tmp_path)
  (tmp_path / (paths.MODEL_CARD + '.part')).mkdir()
  with pytest.raises(UserError, match='model_card.md'):
    write(tmp_path, step=40)
  assert (tmp_path / paths.MODEL_CARD).read_text() == old


def test_the_floor_stands_below_the_results():
  result = {'clips': 9, 'top1': 0.5, 'mean_class': 0.5, 'top5': 1.0}
  line = 'floor, top1 on the same clips: nearest mean pose 58.24%'
  _, text = render(make_config(), results={'test': result}, floor=line)
  assert '| test | 9 | **50.00%** |' in text
  assert (
    '\n\nFloor, top1 on the same clips: nearest mean pose 58.24%.\n' in text
  )
  assert 'loor' not in render(make_config(), results={'test': result})[1]
