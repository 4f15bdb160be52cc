"""Shared by tests: from test_penn."""

import json
import pathlib
import zipfile

from helpers.fixtures import make_lcrnet

from unik_jax.data import registry


def prepare(tmp_path, config, **options):
  return registry.prepare_dataset(
    f'penn_action/{config}', tmp_path / 'data', tmp_path / 'raw', **options
  )


def records_of(builder):
  """{id: (split, record)}, no clip in two splits."""
  records = {}
  for split in builder.info.splits:
    for record in builder.as_data_source(split):
      assert record['id'].decode() not in records
      records[record['id'].decode()] = split, record
  return records


def report_of(builder):
  report = json.loads((builder.data_path / 'report.json').read_text())
  return [
    {pathlib.Path(note['clip']).name: note['reason'] for note in report[kind]}
    for kind in ('left_out', 'skipped')
  ]


POSES = {
  '0001': (0, 1, make_lcrnet((2, 1), 1)),
  '0037': (14, -1, make_lcrnet((3, 0, 2), 2)),  # the third body has no place
  '2325': (7, 1, make_lcrnet((1,), 3)),
}


TABLE = 'pennaction_complete.csv'


def write_poses(folder, clips=POSES, archive=False):
  (folder / 'skeletons').mkdir(parents=True)
  # As pandas writes it: an index without a name, and columns of no concern.
  lines = [',video,category_code,train,pose']
  for i, (name, (label, train, clip)) in enumerate(clips.items()):
    lines.append(f'{i},{int(name)},{label},{train},back')
    path = folder / 'skeletons' / f'{name}.json'
    path.write_text(json.dumps(clip))
  if archive:
    with zipfile.ZipFile(folder / 'skeletons.zip', 'w') as file:
      for path in (folder / 'skeletons').iterdir():
        file.write(path, f'skeletons/{path.name}')
        path.unlink()
  (folder / TABLE).write_text('\n'.join([*lines, '9,2326,14,1,back', '']))
  return folder


def put(content, name):
  """Writes a file of the fixture."""
  if isinstance(content, str):
    content = content.encode()
  return lambda folder: (folder / name).write_bytes(content)
