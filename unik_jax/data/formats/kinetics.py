"""Kinetics-skeleton: OpenPose's bodies in the videos of Kinetics-400, as JSON.

Published by Yan, Xiong and Lin, "Spatial Temporal Graph Convolutional Networks
for Skeleton-Based Action Recognition", AAAI 2018, with ST-GCN:
https://github.com/yysijie/st-gcn#kinetics-skeleton. A clip is a file
YOUTUBEID.json, of a video at 30 frames a second and 340 x 256 pixels:

  {"data": [{"frame_index": 1,
             "skeleton": [{"pose": [x, y of 18 joints], "score": [18]}, ...]},
            ...],
   "label": "clapping", "label_index": 57}

The joints are OpenPose's 18 (layout 'openpose_18'). Coordinates are shares of
the image's width and height, from 0 to 1, with y downwards. Persons are not
tracked: the order of the bodies changes from frame to frame.
"""

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.clips import LeftOut
from unik_jax.data.formats.json_numbers import (
  find_not_finite,
  get_numbers,
  parse_floats,
)
from unik_jax.data.raw_files import FETCH_AGAIN
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

# Class names, in label order.
_NAMES = """
  abseiling; air drumming; answering questions; applauding; applying cream;
  archery; arm wrestling; arranging flowers; assembling computer; auctioning;
  baby waking up; baking cookies; balloon blowing; bandaging; barbequing;
  bartending; beatboxing; bee keeping; belly dancing; bench pressing;
  bending back; bending metal; biking through snow; blasting sand;
  blowing glass; blowing leaves; blowing nose; blowing out candles; bobsledding;
  bookbinding; bouncing on trampoline; bowling; braiding hair;
  breading or breadcrumbing; breakdancing; brush painting; brushing hair;
  brushing teeth; building cabinet; building shed; bungee jumping; busking;
  canoeing or kayaking; capoeira; carrying baby; cartwheeling; carving pumpkin;
  catching fish; catching or throwing baseball; catching or throwing frisbee;
  catching or throwing softball; celebrating; changing oil; changing wheel;
  checking tires; cheerleading; chopping wood; clapping; clay pottery making;
  clean and jerk; cleaning floor; cleaning gutters; cleaning pool;
  cleaning shoes; cleaning toilet; cleaning windows; climbing a rope;
  climbing ladder; climbing tree; contact juggling; cooking chicken;
  cooking egg; cooking on campfire; cooking sausages; counting money;
  country line dancing; cracking neck; crawling baby; crossing river; crying;
  curling hair; cutting nails; cutting pineapple; cutting watermelon;
  dancing ballet; dancing charleston; dancing gangnam style; dancing macarena;
  deadlifting; decorating the christmas tree; digging; dining; disc golfing;
  diving cliff; dodgeball; doing aerobics; doing laundry; doing nails; drawing;
  dribbling basketball; drinking; drinking beer; drinking shots; driving car;
  driving tractor; drop kicking; drumming fingers; dunking basketball;
  dying hair; eating burger; eating cake; eating carrots; eating chips;
  eating doughnuts; eating hotdog; eating ice cream; eating spaghetti;
  eating watermelon; egg hunting; exercising arm;
  exercising with an exercise ball; extinguishing fire; faceplanting;
  feeding birds; feeding fish; feeding goats; filling eyebrows; finger snapping;
  fixing hair; flipping pancake; flying kite; folding clothes; folding napkins;
  folding paper; front raises; frying vegetables; garbage collecting; gargling;
  getting a haircut; getting a tattoo; giving or receiving award; golf chipping;
  golf driving; golf putting; grinding meat; grooming dog; grooming horse;
  gymnastics tumbling; hammer throw; headbanging; headbutting; high jump;
  high kick; hitting baseball; hockey stop; holding snake; hopscotch;
  hoverboarding; hugging; hula hooping; hurdling; hurling (sport); ice climbing;
  ice fishing; ice skating; ironing; javelin throw; jetskiing; jogging;
  juggling balls; juggling fire; juggling soccer ball; jumping into pool;
  jumpstyle dancing; kicking field goal; kicking soccer ball; kissing;
  kitesurfing; knitting; krumping; laughing; laying bricks; long jump; lunge;
  making a cake; making a sandwich; making bed; making jewelry; making pizza;
  making snowman; making sushi; making tea; marching; massaging back;
  massaging feet; massaging legs; massaging person's head; milking cow;
  mopping floor; motorcycling; moving furniture; mowing lawn; news anchoring;
  opening bottle; opening present; paragliding; parasailing; parkour;
  passing American football (in game); passing American football (not in game);
  peeling apples; peeling potatoes; petting animal (not cat); petting cat;
  picking fruit; planting trees; plastering; playing accordion;
  playing badminton; playing bagpipes; playing basketball; playing bass guitar;
  playing cards; playing cello; playing chess; playing clarinet;
  playing controller; playing cricket; playing cymbals; playing didgeridoo;
  playing drums; playing flute; playing guitar; playing harmonica; playing harp;
  playing ice hockey; playing keyboard; playing kickball; playing monopoly;
  playing organ; playing paintball; playing piano; playing poker;
  playing recorder; playing saxophone; playing squash or racquetball;
  playing tennis; playing trombone; playing trumpet; playing ukulele;
  playing violin; playing volleyball; playing xylophone; pole vault;
  presenting weather forecast; pull ups; pumping fist; pumping gas;
  punching bag; punching person (boxing); push up; pushing car; pushing cart;
  pushing wheelchair; reading book; reading newspaper; recording music;
  riding a bike; riding camel; riding elephant; riding mechanical bull;
  riding mountain bike; riding mule; riding or walking with horse;
  riding scooter; riding unicycle; ripping paper; robot dancing; rock climbing;
  rock scissors paper; roller skating; running on treadmill; sailing;
  salsa dancing; sanding floor; scrambling eggs; scuba diving; setting table;
  shaking hands; shaking head; sharpening knives; sharpening pencil;
  shaving head; shaving legs; shearing sheep; shining shoes;
  shooting basketball; shooting goal (soccer); shot put; shoveling snow;
  shredding paper; shuffling cards; side kick; sign language interpreting;
  singing; situp; skateboarding; ski jumping;
  skiing (not slalom or crosscountry); skiing crosscountry; skiing slalom;
  skipping rope; skydiving; slacklining; slapping; sled dog racing; smoking;
  smoking hookah; snatch weight lifting; sneezing; sniffing; snorkeling;
  snowboarding; snowkiting; snowmobiling; somersaulting; spinning poi;
  spray painting; spraying; springboard diving; squat; sticking tongue out;
  stomping grapes; stretching arm; stretching leg; strumming guitar;
  surfing crowd; surfing water; sweeping floor; swimming backstroke;
  swimming breast stroke; swimming butterfly stroke; swing dancing;
  swinging legs; swinging on something; sword fighting; tai chi;
  taking a shower; tango dancing; tap dancing; tapping guitar; tapping pen;
  tasting beer; tasting food; testifying; texting; throwing axe; throwing ball;
  throwing discus; tickling; tobogganing; tossing coin; tossing salad;
  training dog; trapezing; trimming or shaving beard; trimming trees;
  triple jump; tying bow tie; tying knot (not on a tie); tying tie; unboxing;
  unloading truck; using computer; using remote controller (not gaming);
  using segway; vault; waiting in line; walking the dog; washing dishes;
  washing feet; washing hair; washing hands; water skiing; water sliding;
  watering plants; waxing back; waxing chest; waxing eyebrows; waxing legs;
  weaving basket; welding; whistling; windsurfing; wrapping present; wrestling;
  writing; yawning; yoga; zumba"""
LABELS = [' '.join(name.split()) for name in _NAMES.split(';')]

_LAYOUT = get_layout('openpose_18')
_JOINTS = _LAYOUT.num_joints
_BODIES_READ = 5  # per frame
_MAX_FRAMES = 100_000  # an hour; a larger frame_index is an error


def read_bodies(file: raw_files.RawFile, persons: int = 2) -> np.ndarray:
  """Returns the keypoints of a clip's file; see `parse_bodies`.

  Raises:
    UserError: as in `parse_bodies`.
    LeftOut: no body in any frame. Some files are so in spite of
      `has_skeleton`.
  """
  clip = parse_bodies(file.read_bytes(), str(file), persons)
  if not clip.any():
    raise LeftOut('nobody in any frame')
  return clip


def parse_bodies(content: bytes, where: str, persons: int = 2) -> np.ndarray:
  """Returns the keypoints of one clip, with the bodies that ST-GCN keeps.

  Of the first five bodies of a frame, ST-GCN's feeder
  (feeder/feeder_kinetics.py) keeps those with the highest sum of scores, in
  descending order. So a row of the result is not one person's track. The feeder
  also moves the origin to the image centre and turns y upwards. Here the
  'kinetics' normalisation does so.

  The feeder puts a frame at its `frame_index`, which starts at 1 in the
  published files, so its first frame is always empty. Here frame 1 comes
  first; in files that count from 0, frame 0. A frame that is not in the file is
  empty.

  Args:
    content: the JSON file's bytes.
    where: the file, for errors.
    persons: M.

  Returns:
    (M, T, 18, 3) float32 of layout 'openpose_18': x, y and score. A joint of
    score 0 is missing, all zeros.

  Raises:
    UserError: the file is not UTF-8, is cut short or malformed, or has no
      frames or a frame twice; or a body has another number of values, or a
      value that is not finite.
  """
  numbers, frames, bodies = set(), [], []
  for n, entry in enumerate(_load_entries(content, where)):
    place = f'{where}, entry {n} of "data"'
    number, skeletons = _parse_entry(entry, place)
    if number in numbers:
      raise UserError(
        f'{place}: frame_index {number} occurs twice. {FETCH_AGAIN}'
      )
    numbers.add(number)
    for m, body in enumerate(skeletons[:_BODIES_READ]):
      place = f'{where}, frame {number}, person {m}'
      pose = get_numbers(body, 'pose', 2 * _JOINTS, place)
      bodies.append(pose + get_numbers(body, 'score', _JOINTS, place))
      frames.append(number)
  first = min(1, *numbers)
  clip = np.zeros((persons, max(numbers) + 1 - first, _JOINTS, 3), np.float32)
  if not bodies:
    return clip

  frames, bodies = np.array(frames), np.array(bodies)
  pose, score = np.split(bodies, [2 * _JOINTS], 1)
  pose = pose.reshape(-1, _JOINTS, 2)
  bodies = np.concatenate([pose, score[..., None]], -1)
  if bad := find_not_finite(bodies):
    n, v, _ = bad
    raise UserError(
      f'{where}, frame {frames[n]}: joint {v} ({_LAYOUT.joints[v]}) is NaN,'
      ' infinite or too large. Correct it, or remove this body from its frame'
    )
  bodies[score == 0] = 0
  # By frame, then by descending score. A body's rank is its place in its frame.
  order = np.lexsort((-score.sum(1), frames))
  frames, bodies = frames[order], bodies[order]
  ranks = np.arange(len(frames)) - np.searchsorted(frames, frames)
  is_kept = ranks < persons
  clip[ranks[is_kept], frames[is_kept] - first] = bodies[is_kept]
  return clip


def _load_entries(content, where):
  """Returns the list under "data", an entry per frame."""
  data = parse_floats(content, where)
  entries = data.get('data') if isinstance(data, dict) else None
  if not isinstance(entries, list):
    raise UserError(
      f'{where}: no list "data". Expected a file of Kinetics-skeleton:'
      ' {"data": [{"frame_index": 1, "skeleton": [...]}, ...], ...}'
    )
  if not entries:
    raise UserError(
      f'{where}: expected at least one frame, got no frames. {FETCH_AGAIN}, or'
      ' remove it'
    )
  return entries


def _parse_entry(entry, place):
  """Returns (frame number, bodies)."""
  if not isinstance(entry, dict) or not isinstance(entry.get('skeleton'), list):
    raise UserError(f'{place}: no list "skeleton". {FETCH_AGAIN}')
  number = entry.get('frame_index')
  is_integer = type(number) is float and number.is_integer()
  if not is_integer or not 0 <= number < _MAX_FRAMES:
    raise UserError(
      f'{place}: frame_index: expected an integer from 0 to {_MAX_FRAMES - 1},'
      f' got {number!r:.40}. {FETCH_AGAIN}'
    )
  return int(number), entry['skeleton']
