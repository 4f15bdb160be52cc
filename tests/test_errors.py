"""Errors caused by input."""

import pickle

from unik_jax.errors import UserError


def test_messages_are_short_and_have_no_control_characters():
  text = str(UserError('a.npy: got \x1b[2J\x07\udc80é. Fix\nit'))
  assert text == r'a.npy: got \x1b[2J\x07\udc80é. Fix' + '\nit'
  text = str(UserError('a.npy: got ' + 'x' * 10**6 + '. Remove it'))
  assert len(text) < 2100
  assert text.startswith('a.npy: got ') and text.endswith('. Remove it')
  error = pickle.loads(pickle.dumps(UserError('a\tb')))
  assert str(error) == r'a\tb'
