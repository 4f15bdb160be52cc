"""Kinetics-skeleton: OpenPose's bodies in Kinetics-400's videos, as JSON.

Yan, Xiong and Lin, "Spatial Temporal Graph Convolutional Networks for
Skeleton-Based Action Recognition", AAAI 2018. A clip is a file
YOUTUBEID.json, of a video at 30 frames a second and 340 x 256 pixels:

  {"data": [{"frame_index": 1,
             "skeleton": [{"pose": [x, y of 18 joints], "score": [18]}, ...]},
            ...],
   "label": "clapping", "label_index": 57}

with coordinates in image widths and heights, from 0 to 1, and y downwards.
"""

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.clips import LeftOut
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

# The 400 actions, in the order of their indices.
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
_READ = 5  # of a frame's bodies
_MOST_FRAMES = 100_000  # an hour; a frame_index beyond is a slip
_REMEDY = 'extract or download it again'


def read_bodies(file: raw_files.RawFile, persons: int = 2) -> np.ndarray:
  """The clip of a file: `parse_bodies` of its content.

  Raises:
    LeftOut: nobody in any frame, which there is in spite of `has_skeleton`.
  """
  clip = parse_bodies(file.read_bytes(), str(file), persons)
  if not clip.any():
    raise LeftOut('nobody in any frame')
  return clip


def parse_bodies(content: bytes, where: str, persons: int = 2) -> np.ndarray:
  """One clip, with its bodies chosen as ST-GCN's feeder does.

  Of the first five bodies of a frame, those with the highest sum of scores
  are kept, in descending order; so a row of the result is no one's track. The
  feeder also moves the origin to the middle of the image and turns y upwards,
  which is left to normalisation.

  The feeder puts a frame at its `frame_index`, which counts from 1 in the
  published files, so that its first frame is always empty. Here frame 1 comes
  first; in files that count from 0, frame 0. A frame that is not in the file
  is empty.

  Args:
    content: of the JSON file.
    where: the file, to be named in errors.
    persons: M.

  Returns:
    (M, T, 18, 3) float32 of layout 'openpose_18': x, y and score. A joint
    whose score is 0 is all zeros.

  Raises:
    UserError: not UTF-8, cut short, of another form, no frames, a frame twice,
      or a body with another number of values, or with NaN.
  """
  numbers, frames, bodies = set(), [], []
  for n, frame in enumerate(_load_frames(content, where)):
    place = f'{where}, entry {n} of "data"'
    number, skeletons = _frame(frame, place)
    if number in numbers:
      raise UserError(
        f'{place}: frame_index {number} is there twice; {_REMEDY}'
      )
    numbers.add(number)
    for m, body in enumerate(skeletons[:_READ]):
      place = f'{where}, frame {number}, person {m}'
      pose = _values(body, 'pose', 2 * _JOINTS, place)
      bodies.append(pose + _values(body, 'score', _JOINTS, place))
      frames.append(number)
  start = min(1, *numbers)
  clip = np.zeros((persons, max(numbers) + 1 - start, _JOINTS, 3), np.float32)
  if not bodies:
    return clip
  frames, bodies = np.array(frames), np.array(bodies)
  pose, score = np.split(bodies, [2 * _JOINTS], 1)
  pose = pose.reshape(-1, _JOINTS, 2)
  bodies = np.concatenate([pose, score[..., None]], -1)
  # Compared in float64: what float32 cannot hold is as bad as infinity.
  bad = np.argwhere(~(np.abs(bodies) <= np.finfo(np.float32).max))
  if len(bad):
    n, v, _ = bad[0]
    raise UserError(
      f'{where}, frame {frames[n]}: NaN, infinity or a number too large at'
      f' joint {v} ({_LAYOUT.joints[v]}); correct it, or leave the body out of'
      ' its frame'
    )
  bodies[score == 0] = 0
  order = np.lexsort((-score.sum(1), frames))
  frames, bodies = frames[order], bodies[order]
  place = np.arange(len(frames)) - np.searchsorted(frames, frames)
  kept = place < persons
  clip[place[kept], frames[kept] - start] = bodies[kept]
  return clip


def _load_frames(content, where):
  # Integers as floats too: one type to check for, and none too long.
  data = raw_files.parse_json(content, where, parse_int=float)
  frames = data.get('data') if isinstance(data, dict) else None
  if not isinstance(frames, list):
    raise UserError(
      f'{where}: no list "data" in it; this reads Kinetics-skeleton\'s files:'
      ' {"data": [{"frame_index": 1, "skeleton": [...]}, ...], ...}'
    )
  if not frames:
    raise UserError(f'{where}: no frames; {_REMEDY}, or remove it')
  return frames


def _frame(frame, place):
  """The number of a frame, and its bodies."""
  if not isinstance(frame, dict) or not isinstance(frame.get('skeleton'), list):
    raise UserError(f'{place}: no list "skeleton" in it; {_REMEDY}')
  number = frame.get('frame_index')
  is_whole = type(number) is float and number.is_integer()
  if not is_whole or not 0 <= number < _MOST_FRAMES:
    raise UserError(
      f'{place}: frame_index is {number!r:.40}, where a whole number from 0 to'
      f' {_MOST_FRAMES - 1} is due; {_REMEDY}'
    )
  return int(number), frame['skeleton']


def _values(body, field, size, place):
  """The numbers of one body's pose or scores."""
  values = body.get(field) if isinstance(body, dict) else None
  if not isinstance(values, list) or len(values) != size:
    count = len(values) if isinstance(values, list) else 'no'
    raise UserError(
      f'{place}: {field} has {count} values where {size} are due, of {_JOINTS}'
      ' joints; is it of another pose estimator?'
    )
  if set(map(type, values)) != {float}:
    odd = next(value for value in values if type(value) is not float)
    raise UserError(
      f'{place}: {field} holds {odd!r:.40} where a number is due; correct it,'
      ' or leave the body out of its frame'
    )
  return values
