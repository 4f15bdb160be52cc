"""An HTML page, parsed strictly."""

import dataclasses
import html.parser
import json


@dataclasses.dataclass
class Element:
  tag: str
  attributes: dict
  text: str = ''


class Page(html.parser.HTMLParser):
  """The elements of a page, each with the text inside it."""

  VOID = ('meta', 'link', 'br')

  def __init__(self, text):
    super().__init__()
    self.elements, self._open = [], []
    self.feed(text)
    self.close()
    assert not self._open  # every element is closed

  def handle_starttag(self, tag, attrs):
    assert len(dict(attrs)) == len(attrs)
    self.elements.append(Element(tag, dict(attrs)))
    if tag not in self.VOID:
      self._open.append(self.elements[-1])

  def handle_startendtag(self, tag, attrs):
    self.elements.append(Element(tag, dict(attrs)))

  def handle_endtag(self, tag):
    assert self._open.pop().tag == tag

  def handle_data(self, data):
    for element in self._open:
      element.text += data

  def find_all(self, tag, **attributes):
    return [
      e
      for e in self.elements
      if e.tag == tag
      and all(e.attributes.get(k) == v for k, v in attributes.items())
    ]

  @property
  def data(self):
    return json.loads(self.find_all('script', id='data')[0].text)

  def class_rows(self):
    """Returns the rows of the table of classes, as lists of texts."""
    cells = [
      e
      for e in self.elements
      if e.tag in ('td', 'th') and 'data-value' in e.attributes
    ]
    return [[c.text for c in cells[i : i + 6]] for i in range(0, len(cells), 6)]
