"""A stand-in for the Hugging Face Hub on loopback, for the real client.

It serves what huggingface_hub asks for to fetch a snapshot and to commit files:
docs/hub/api of huggingface.co, and the client's source.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
import urllib.parse

import yaml

TOKEN = 'hf_of_a_test'


class FakeHub(http.server.ThreadingHTTPServer):
  """Repositories in memory.

  Attributes:
    repos: name to {'private', 'commits': {hash: {file: bytes}}, 'refs'}.
    requests: (method, path) of each request.
    served: file name to the bytes that are sent instead of the file's own.
  """

  def __init__(self):
    super().__init__(('127.0.0.1', 0), _Handler)
    self.repos, self.requests, self.served = {}, [], {}

  @property
  def url(self):
    return f'http://127.0.0.1:{self.server_address[1]}'

  def create(self, name, private=False):
    self.repos[name] = {'private': private, 'commits': {}, 'refs': {}}

  def commit(self, name, files, ref='main'):
    """Adds files to a branch, or deletes them where the content is None.

    Returns:
      The commit's hash.
    """
    repo = self.repos[name]
    files = repo['commits'].get(repo['refs'].get(ref), {}) | files
    files = {k: v for k, v in files.items() if v is not None}
    digest = hashlib.sha1(repr((len(repo['commits']), files)).encode())
    commit = digest.hexdigest()
    repo['commits'][commit], repo['refs'][ref] = files, commit
    return commit


class _Handler(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
    self.server.requests.append((self.command, path))
    match = re.fullmatch(r'/api/models/([^/]+/[^/]+)(?:/(\w+)/(.+))?', path)
    if match:
      name, what, revision = match.groups()
      return self._with_commit(name, revision or 'main', self._describe, what)
    match = re.fullmatch(r'/([^/]+/[^/]+)/resolve/([^/]+)/(.+)', path)
    name, revision, file = match.groups()
    return self._with_commit(name, revision, self._serve, file)

  do_HEAD = do_GET

  def do_POST(self):
    body = self.rfile.read(int(self.headers['Content-Length']))
    path = urllib.parse.urlsplit(self.path).path
    self.server.requests.append(('POST', path))
    if path == '/api/validate-yaml':
      return self._validate(json.loads(body)['content'])
    if self.headers['Authorization'] != f'Bearer {TOKEN}':
      return self._send(401, {'error': 'Invalid username or password.'})
    if path == '/api/repos/create':
      return self._create(json.loads(body))
    name, what = re.fullmatch(
      r'/api/models/([^/]+/[^/]+)/(preupload|commit)/main', path
    ).groups()
    if what == 'preupload':
      files = [
        {'path': f['path'], 'uploadMode': 'regular', 'shouldIgnore': False}
        for f in json.loads(body)['files']
      ]
      return self._send(200, {'files': files})
    header, *lines = map(json.loads, body.splitlines())
    assert header['key'] == 'header'
    files = {}
    for line in lines:
      path, content = line['value']['path'], None
      if line['key'] == 'file':
        content = base64.b64decode(line['value']['content'])
      else:
        assert line['key'] == 'deletedFile'
      files[path] = content
    commit = self.server.commit(name, files)
    url = f'{self.server.url}/{name}/commit/{commit}'
    return self._send(200, {'commitUrl': url, 'commitOid': commit})

  def _create(self, options):
    name = f'{options["organization"]}/{options["name"]}'
    status, answer = 200, {'url': f'{self.server.url}/{name}', 'name': name}
    if name in self.server.repos:
      status, answer['error'] = 409, 'You already created this repo'
    else:
      self.server.create(name, options.get('visibility') == 'private')
    return self._send(status, answer)

  def _validate(self, content):
    header = re.match(r'---\n(.*?)\n---\n', content, re.DOTALL)
    data = header and yaml.safe_load(header[1])
    if isinstance(data, dict) and data.get('license') != 'unknown-1':
      return self._send(200, {'errors': [], 'warnings': []})
    return self._send(400, {'errors': [{'message': '"license" must be known'}]})

  def _with_commit(self, name, revision, answer, *arguments):
    """Answers of a commit, or says what is missing as the Hub does."""
    repo = self.server.repos.get(name)
    known = self.headers['Authorization'] == f'Bearer {TOKEN}'
    if repo is None or (repo['private'] and not known):
      return self._send(404, {'error': 'no'}, {'X-Error-Code': 'RepoNotFound'})
    commit = repo['refs'].get(revision, revision)
    if commit not in repo['commits'] and repo['commits']:
      code = {'X-Error-Code': 'RevisionNotFound'}
      return self._send(404, {'error': 'no'}, code)
    return answer(name, repo, commit, *arguments)

  def _describe(self, name, repo, commit, what):
    files = repo['commits'].get(commit, {})
    if what == 'tree':
      entries = [
        {'type': 'file', 'path': k, 'size': len(v), 'oid': _blob_id(v)}
        for k, v in files.items()
      ]
      return self._send(200, entries)
    siblings = [{'rfilename': file} for file in files]
    info = {'id': name, 'sha': commit, 'private': repo['private']}
    return self._send(200, {**info, 'siblings': siblings, 'tags': []})

  def _serve(self, name, repo, commit, file):
    content = repo['commits'][commit][file]
    headers = {'ETag': f'"{_blob_id(content)}"', 'X-Repo-Commit': commit}
    if self.command == 'HEAD':
      return self._send(200, content, headers)
    start, end = 0, len(content)
    if wanted := self.headers['Range']:  # an older client resumes
      start = int(re.fullmatch(r'bytes=(\d+)-', wanted)[1])
      headers['Content-Range'] = f'bytes {start}-{end - 1}/{end}'
    content = self.server.served.get(file, content)[start:]
    return self._send(206 if start else 200, content, headers)

  def _send(self, status, content, headers=None):
    if not isinstance(content, bytes):
      content = json.dumps(content).encode()
      headers = {'Content-Type': 'application/json', **(headers or {})}
    self.send_response(status)
    for key, value in headers.items():
      self.send_header(key, value)
    self.send_header('Content-Length', str(len(content)))
    self.end_headers()
    if self.command != 'HEAD':
      self.wfile.write(content)

  def log_message(self, *arguments):
    pass


def _blob_id(content):
  """Git's name of a file's content, which is the Hub's ETag."""
  return hashlib.sha1(b'blob %d\0' % len(content) + content).hexdigest()


@contextlib.contextmanager
def serve(monkeypatch, cache, token=TOKEN):
  """Yields a `FakeHub` that huggingface_hub uses, with an empty cache.

  Args:
    monkeypatch: pytest's.
    cache: folder of the cache.
    token: of the user; '' for none.
  """
  from huggingface_hub import constants
  from huggingface_hub.utils import close_session

  hub = FakeHub()
  thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
  thread.start()
  template = f'{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}'
  # Read from the environment when the package was imported.
  monkeypatch.setattr(constants, 'ENDPOINT', hub.url)
  monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE', template)
  monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(cache))
  monkeypatch.setattr(constants, 'HF_TOKEN_PATH', str(cache / 'no token'))
  monkeypatch.setenv('HF_TOKEN', token)
  # For commands.
  monkeypatch.setenv('HF_ENDPOINT', hub.url)
  monkeypatch.setenv('HF_HUB_CACHE', str(cache))
  try:
    yield hub
  finally:
    close_session()
    hub.shutdown()
    thread.join()
    hub.server_close()


def go_offline(monkeypatch):
  """Points huggingface_hub to a port where nothing listens."""
  from huggingface_hub import constants

  monkeypatch.setattr(constants, 'ENDPOINT', 'http://127.0.0.1:9')
