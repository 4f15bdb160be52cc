"""Facts of a run that its report lists beside the metrics."""

from unik_jax.report.contents import Contents
from unik_jax.run.wording import describe_config

METRIC_NAMES = {
  'top1': 'top-1 accuracy',
  'mean_class': 'mean class accuracy',
  'top5': 'top-5 accuracy',
}


def list_facts(contents: Contents) -> list[tuple[str, str]]:
  """Returns (title, value) of each fact; leaves out unknown ones."""
  config, summary = contents.config, contents.summary
  words = describe_config(config, summary.get('params'))
  parts = ['Trained on', 'Validated on', 'Tested on']
  if not config.data.val_split:
    parts.remove('Validated on')
  protocol = '; '.join(f'{part.lower()} {words[part]}' for part in parts)
  joints = config.data.layout
  if config.data.joints not in ('', joints):
    joints += f' mapped to {config.data.joints}'
  rows = [
    ('Dataset', f'{contents.dataset}, {config.data.num_classes} classes'),
    ('Protocol', protocol),
    ('Input', f'{words["Stream"]} stream, joints {joints}'),
    ('Pre-processing', words['Pre-processing']),
    ('Model', words['Model']),
    ('Recipe', words['Recipe']),
    ('Augmentation', words['Augmentation']),
    ('Started from', words['Started from'] if config.init_from else ''),
    ('Seed', str(summary.get('seed', config.seed))),
    ('Device', str(summary.get('device', ''))),
    ('Commit', str(summary.get('commit') or '')),
    ('Folder', str(contents.folder)),
  ]
  return [(title, value) for title, value in rows if value]
