"""Tables 1 to 3 of the paper, and networks since: rows, published accuracies.

Yang et al., "UNIK: A Unified Framework for Real-world Skeleton-based Action
Recognition", BMVC 2021. To add a row, add a line to `ROWS` and its key to a
section of `TABLES`. To add a dataset, add a line to configs/tables.py.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from unik_jax.data.streams import STREAMS


class Row(NamedTuple):
  """One row of a table: a model and its initial weights.

  Attributes:
    label: its name in the table.
    changes: changes to the model's settings, or a function that computes them
      from these settings.
    pretrained: the row whose weights it starts from, trained on the source of
      the dataset (`SOURCES` in configs/tables.py); '' to train from scratch.
    streams: its streams in every table; () for those of the table.
  """

  label: str
  changes: Mapping[str, Any] | Callable[[ConfigDict], Mapping[str, Any]] = {}
  pretrained: str = ''
  streams: tuple[str, ...] = ()

  @property
  def name(self) -> str:
    """The label, which tells pre-trained rows from those from scratch."""
    return f'{self.label}, pre-trained' if self.pretrained else self.label


class Section(NamedTuple):
  """Rows that are compared with each other.

  Attributes:
    title: what the rows vary.
    rows: keys of `ROWS`.
  """

  title: str
  rows: tuple[str, ...]


class Table(NamedTuple):
  """A table of the paper.

  Attributes:
    title: its topic.
    streams: dataset to the streams whose softmax scores are summed, unless a
      row has its own; '' holds the streams of all other datasets.
    sections: groups of rows.
    columns: dataset to the heading of its column in the paper.
    accuracies: row to the paper's accuracies in percent, one for each column;
      None where the paper has none.
  """

  title: str
  streams: Mapping[str, tuple[str, ...]]
  sections: tuple[Section, ...]
  columns: Mapping[str, str]
  accuracies: Mapping[str, tuple[float | None, ...]]


def _dilated(model: ConfigDict) -> dict[str, Any]:
  """Dilations 1, 2, 3 in turn, restarting at 1 where the width changes.

  The paper does not publish its pattern. This one follows hybrid dilated
  convolution (Wang et al., WACV 2018): dilations without a common factor, so
  that every frame is seen. Blocks with a stride change the width, so their
  taps are adjacent frames.
  """
  from unik_jax.models.unik import WIDTHS

  widths, dilations = model.widths or WIDTHS, []
  for i, width in enumerate(widths):
    same = i and width == widths[i - 1]
    dilations.append(dilations[-1] % 3 + 1 if same else 1)
  return {'dilations': tuple(dilations)}


ROWS = {
  'unik': Row('UNIK'),
  'fixed': Row('FM, the graph fixed', {'matrix': 'fixed'}),
  'agcn': Row('2s-AGCN', {'name': 'agcn'}),
  'aagcn': Row('AAGCN', {'name': 'aagcn'}),
  'st_gcn': Row('ST-GCN', {'name': 'st_gcn'}),
  'ms_g3d': Row('MS-G3D', {'name': 'ms_g3d'}),
  'ctr_gcn': Row('CTR-GCN', {'name': 'ctr_gcn'}),
  'st_gcn_pp': Row('ST-GCN++', {'name': 'st_gcn_pp'}),
  # It makes bones and motions of the joints itself.
  'res_gcn': Row('Res-GCN', {'name': 'res_gcn'}, streams=('joint',)),
  # It makes the four streams itself.
  'unik_pp': Row('UNIK++', {'name': 'unik_pp'}, streams=('joint',)),
  'heads_0': Row('N = 0, no attention', {'num_heads': 0}),
  **{f'heads_{n}': Row(f'N = {n}', {'num_heads': n}) for n in (1, 6, 9, 12)},
  'heads_16': Row('N = 16', {'num_heads': 16}),
  **{f'window_{n}': Row(f'window of {n}', {'tau': n}) for n in (3, 6, 9)},
  'dilated': Row('temporal dilation', _dilated),
  **{
    f'init_{init}': Row(f'W {words}', {'dependency_init': init})
    for init, words in (
      ('paper', 'uniform within 1 / sqrt(V), as Eq. 3'),
      ('identity', 'the identity'),
      ('graph', "slices of 2s-AGCN's graph"),
      ('zeros', 'zeros'),
    )
  },
  'agcn_pretrained': Row('2s-AGCN', {'name': 'agcn'}, 'agcn'),
  'ms_g3d_pretrained': Row('MS-G3D', {'name': 'ms_g3d'}, 'ms_g3d'),
  'unik_pretrained': Row('UNIK', {}, 'unik'),
}

_JOINT_AND_BONE = ('joint', 'bone')
_SMARTHOME = {
  'smarthome_cs': 'Smarthome CS',
  'smarthome_cv1': 'Smarthome CV1',
  'smarthome_cv2': 'Smarthome CV2',
}

_NETWORKS = Section(
  'From scratch',
  ('unik', 'agcn', 'ms_g3d', 'ctr_gcn', 'st_gcn_pp', 'res_gcn', 'unik_pp'),
)

TABLES = {
  '1': Table(
    title='the matrix, heads, window and dilation',
    streams={'': ('joint',)},
    sections=(
      Section('Matrix (DM is UNIK)', ('fixed', 'agcn', 'unik')),
      Section(
        'Heads (N = 3 is UNIK)',
        (
          'heads_0',
          'heads_1',
          'unik',
          'heads_6',
          'heads_9',
          'heads_12',
          'heads_16',
        ),
      ),
      Section(
        'Temporal window (1 is UNIK)',
        ('unik', 'window_3', 'window_6', 'window_9'),
      ),
      Section('Temporal dilation', ('unik', 'dilated')),
      Section(
        'Initial dependency matrices',
        ('unik', 'init_paper', 'init_identity', 'init_graph', 'init_zeros'),
      ),
    ),
    columns={'smarthome_cs': 'Smarthome CS', 'ntu60_xsub': 'NTU-60 CS'},
    accuracies={
      'fixed': (50.4, 84.3),
      'agcn': (55.7, 86.1),
      'unik': (58.5, 87.3),
      'heads_0': (56.8, 86.8),
      'heads_1': (58.1, 87.0),
      'heads_6': (57.9, 87.1),
      'heads_9': (56.3, 85.8),
      'heads_12': (58.1, 88.0),
      'window_3': (56.6, 86.8),
      'window_6': (56.2, 87.8),
      'window_9': (55.5, 85.0),
      'dilated': (58.9, 87.8),
    },
  ),
  '2': Table(
    title='from scratch, and pre-trained',
    streams={
      '': ('joint',),
      'ntu60_17_xsub': _JOINT_AND_BONE,
      'ntu60_17_xview': _JOINT_AND_BONE,
      'ntu120_17_xsub': _JOINT_AND_BONE,
      'ntu120_17_xset': _JOINT_AND_BONE,
    },
    sections=(
      Section('From scratch', ('agcn', 'ms_g3d', 'unik')),
      Section(
        'Pre-trained',
        ('agcn_pretrained', 'ms_g3d_pretrained', 'unik_pretrained'),
      ),
    ),
    columns={
      **_SMARTHOME,
      'penn': 'Penn Action',
      'ntu60_17_xsub': 'NTU-60 CS',
      'ntu60_17_xview': 'NTU-60 CV',
      'ntu120_17_xsub': 'NTU-120 CS',
      'ntu120_17_xset': 'NTU-120 CSet',
    },
    accuracies={
      'agcn': (55.7, 21.6, 53.3, 89.5, 84.2, 93.0, 78.2, 82.9),
      'ms_g3d': (55.9, 17.4, 56.7, 88.5, 86.0, 94.1, 80.2, 86.1),
      'unik': (58.9, 21.9, 58.7, 90.1, 85.1, 93.6, 79.1, 83.5),
      'agcn_pretrained': (58.8, 32.2, 57.9, 96.4, 85.8, 93.4, 79.7, 85.0),
      'ms_g3d_pretrained': (59.1, 26.6, 60.1, 92.2, 86.2, 94.1, 80.6, 86.4),
      'unik_pretrained': (62.1, 33.4, 63.6, 97.2, 86.8, 94.4, 80.8, 86.5),
    },
  ),
  '3': Table(
    title='against others, joints and bones together',
    streams={'': _JOINT_AND_BONE},
    sections=(
      Section('From scratch', ('st_gcn', 'agcn', 'res_gcn', 'ms_g3d', 'unik')),
      Section('Pre-trained', ('unik_pretrained',)),
      Section("Since the paper: today's", ('aagcn', 'ctr_gcn', 'st_gcn_pp')),
    ),
    columns={'posetics': 'Posetics', **_SMARTHOME, 'penn': 'Penn Action'},
    accuracies={
      'st_gcn': (43.3, 53.8, 15.5, 51.1, 89.6),
      'agcn': (47.0, 60.9, 22.5, 53.5, 93.1),
      'res_gcn': (46.7, 61.5, None, None, 93.4),
      'ms_g3d': (47.1, 61.1, 17.5, 59.4, 92.7),
      'unik': (47.6, 63.1, 22.9, 61.2, 94.0),
      'unik_pretrained': (None, 64.3, 36.1, 65.0, 97.9),
    },
  ),
  '4': Table(
    title='networks, joints',
    streams={'': ('joint',)},
    sections=(_NETWORKS,),
    columns={},
    accuracies={},
  ),
  '5': Table(
    title='networks, all four streams together',
    streams={'': tuple(STREAMS)},
    sections=(_NETWORKS,),
    columns={},
    accuracies={},
  ),
  # Its rows are run with several numbers of clips: tables/few.py.
  'few': Table(
    title='networks, joints, from few clips',
    streams={'': ('joint',)},
    sections=(Section('From scratch', (*_NETWORKS.rows, 'heads_0')),),
    columns={},
    accuracies={},
  ),
}


def model_changes(row: Row, model: ConfigDict) -> Mapping[str, Any]:
  """Returns the changes that a row makes to a model's settings."""
  return row.changes(model) if callable(row.changes) else row.changes
