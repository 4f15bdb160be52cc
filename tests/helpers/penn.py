"""Penn Action's poses by LCR-Net, and the preparation of the dataset."""

import json
import zipfile

from helpers.lcrnet import make_lcrnet_clip

from unik_jax.data import registry

TABLE = 'pennaction_complete.csv'
POSES = {  # file: label, train flag, content
  '0001': (0, 1, make_lcrnet_clip((2, 1), 1)),
  '0037': (14, -1, make_lcrnet_clip((3, 0, 2), 2)),  # the third body is dropped
  '2325': (7, 1, make_lcrnet_clip((1,), 3)),
}


def prepare_penn(tmp_path, config, **options):
  """Prepares the files of tmp_path/raw below tmp_path."""
  return registry.prepare_dataset(
    f'penn_action/{config}', tmp_path / 'data', tmp_path / 'raw', **options
  )


def read_records(builder):
  """Returns {id: (split, record)}; no clip may be in two splits."""
  records = {}
  for split in builder.info.splits:
    for record in builder.as_data_source(split):
      assert record['id'].decode() not in records
      records[record['id'].decode()] = split, record
  return records


def write_poses(folder, clips=POSES, archive=False):
  """Writes clips and their table. Returns the folder.

  Args:
    folder: created by this function.
    clips: (label, train flag, content) by file name.
    archive: pack the clips into a zip archive.
  """
  (folder / 'skeletons').mkdir(parents=True)
  # As pandas writes it: an index without a name, and other columns.
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
