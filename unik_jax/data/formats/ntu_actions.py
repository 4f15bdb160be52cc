"""NTU RGB+D's 120 classes and its protocols.

NTU-60 has the first 60 classes, in setups 1 to 17. NTU-120 adds the others, in
setups 18 to 32. The training subjects and cameras are those of the papers
(Shahroudy et al., CVPR 2016; Liu et al., TPAMI 2019).
"""

from unik_jax.data.formats.ntu import ClipName

# In label order, as listed at https://github.com/shahroudy/NTURGB-D.
ACTIONS = tuple(
  """\
drink water
eat meal/snack
brushing teeth
brushing hair
drop
pickup
throw
sitting down
standing up (from sitting position)
clapping
reading
writing
tear up paper
wear jacket
take off jacket
wear a shoe
take off a shoe
wear on glasses
take off glasses
put on a hat/cap
take off a hat/cap
cheer up
hand waving
kicking something
reach into pocket
hopping (one foot jumping)
jump up
make a phone call/answer phone
playing with phone/tablet
typing on a keyboard
pointing to something with finger
taking a selfie
check time (from watch)
rub two hands together
nod head/bow
shake head
wipe face
salute
put the palms together
cross hands in front (say stop)
sneeze/cough
staggering
falling
touch head (headache)
touch chest (stomachache/heart pain)
touch back (backache)
touch neck (neckache)
nausea or vomiting condition
use a fan (with hand or paper)/feeling warm
punching/slapping other person
kicking other person
pushing other person
pat on back of other person
point finger at the other person
hugging other person
giving something to other person
touch other person's pocket
handshaking
walking towards each other
walking apart from each other
put on headphone
take off headphone
shoot at the basket
bounce ball
tennis bat swing
juggling table tennis balls
hush (quiet)
flick hair
thumb up
thumb down
make ok sign
make victory sign
staple book
counting money
cutting nails
cutting paper (using scissors)
snapping fingers
open bottle
sniff (smell)
squat down
toss a coin
fold paper
ball up paper
play magic cube
apply cream on face
apply cream on hand back
put on bag
take off bag
put something into a bag
take something out of a bag
open a box
move heavy objects
shake fist
throw up cap/hat
hands up (both hands)
cross arms
arm circles
arm swings
running on the spot
butt kicks (kick backward)
cross toe touch
side kick
yawn
stretch oneself
blow nose
hit other person with something
wield knife towards other person
knock over other person (hit with body)
grab other person's stuff
shoot at other person with a gun
step on foot
high-five
cheers and drink
carry something with other person
take a photo of other person
follow other person
whisper in other person's ear
exchange things with other person
support somebody with hand
finger-guessing game (playing rock-paper-scissors)
""".splitlines()
)
# Subjects of the cross-subject protocols' training splits.
XSUB_TRAIN_60 = frozenset(
  {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}
)
XSUB_TRAIN_120 = XSUB_TRAIN_60 | {
  *(45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78),
  *(80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103),
}
XVIEW_TRAIN_CAMERAS = frozenset({2, 3})


def assign_splits_60(name: ClipName) -> tuple[str, ...]:
  """Returns a clip's splits in NTU-60: cross-subject and cross-view."""
  return (
    'xsub_train' if name.subject in XSUB_TRAIN_60 else 'xsub_test',
    'xview_train' if name.camera in XVIEW_TRAIN_CAMERAS else 'xview_test',
  )


def assign_splits_120(name: ClipName) -> tuple[str, ...]:
  """Returns a clip's splits in NTU-120: cross-subject and cross-setup."""
  return (
    'xsub_train' if name.subject in XSUB_TRAIN_120 else 'xsub_test',
    'xset_train' if name.setup % 2 == 0 else 'xset_test',
  )
