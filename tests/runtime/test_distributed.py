"""Processes that wait for each other at the start."""

import threading

import jax

from unik_jax.runtime import distributed


def test_a_waiting_process_says_so(monkeypatch, capfd):
  printed = threading.Event()
  tell = distributed._print_missing

  def tell_and_set(*known):
    tell(*known)
    printed.set()

  monkeypatch.setattr(distributed, '_print_missing', tell_and_set)
  monkeypatch.setattr(distributed, '_REMINDER_SECONDS', 0)
  monkeypatch.setattr(
    jax.distributed, 'initialize', lambda **_: printed.wait(10)
  )
  for name, value in (
    ('COORDINATOR_ADDRESS', '10.0.0.1:8476'),
    ('NUM_PROCESSES', '4'),
    ('PROCESS_ID', '1'),
  ):
    monkeypatch.setenv(f'JAX_{name}', value)
  distributed.connect_processes()
  message = capfd.readouterr().err
  assert 'process 1 of 4' in message and '10.0.0.1:8476' in message


def test_processes_that_connect_print_nothing(monkeypatch, capfd):
  monkeypatch.setattr(distributed, '_REMINDER_SECONDS', 60)
  monkeypatch.setattr(jax.distributed, 'initialize', lambda **_: None)
  distributed.connect_processes()
  assert capfd.readouterr().err == ''
