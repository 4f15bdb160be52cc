"""Label maps."""

import pytest

from unik_jax.curate import labels
from unik_jax.data.formats.kinetics import LABELS
from unik_jax.errors import UserError


def test_kinetics_400_becomes_320():
  classes = labels.read_label_map('kinetics_320')
  assert set(classes) == set(LABELS) and len(classes) == 400
  assert len(set(classes.values())) == 320
  food = ('making a cake', 'making sushi', 'making pizza')
  assert {classes[label] for label in food} == {'making food'}
  for label in ('washing feet', 'washing hair', 'doing laundry'):
    assert classes[label] == label
    assert list(classes.values()).count(label) == 1


def test_invalid_label_maps(tmp_path):
  path = tmp_path / 'map.yaml'

  def read_text(text):
    path.write_text(text)
    return labels.read_label_map(path)

  classes = read_text('merge:\n  food: [cake, sushi]\nkeep: [walk]\n')
  assert classes == {'cake': 'food', 'sushi': 'food', 'walk': 'walk'}
  where = [('cake', 'x.csv, line 2'), ('walks', 'x.csv, line 3')]
  with pytest.raises(UserError, match="x.csv, line 3: .*'walks'.*'walk'"):
    labels.merge_labels(where, classes, str(path))
  assert labels.merge_labels(where, classes, '', 'keep') == ['food', 'walks']
  assert labels.merge_labels(where, classes, '', 'drop') == ['food', None]
  for text, message in (
    ('keep: [on]', 'True.*quotes'),
    ('merge: {a: [b], c: [b]}', "'b'.*'a'.*'c'"),
    ('merge: {a: b}', "class 'a'.*list.*'b'"),
    ('classes: [a]', 'merge and keep.*classes'),
    ('keep: [', 'map.yaml: cannot be read'),
  ):
    with pytest.raises(UserError, match=message):
      read_text(text)
