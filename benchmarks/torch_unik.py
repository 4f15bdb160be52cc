"""UNIK in eager PyTorch, the baseline of the speed comparisons.

It has the published architecture (one frame per spatial window, identity or
1 x 1 shortcuts) and the official parameter names, so that it loads a state dict
written by `unik_jax.official.state_dict`. For benchmarks only.
"""

import torch
from torch import nn

WIDTHS = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
STRIDES = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)


class Spatial(nn.Module):
  """S-LSU over (B, C, T, V); a loop over heads, like the official code."""

  def __init__(self, inner, outer, joints, heads):
    super().__init__()
    self.embedding = outer // 4
    self.DepM = nn.Parameter(torch.rand(heads, joints, joints) / joints)
    self.bias = nn.Parameter(torch.zeros(joints))
    self.conv_a, self.conv_b, self.conv_d = (
      nn.ModuleList(nn.Conv2d(inner, size, 1) for _ in range(heads))
      for size in (self.embedding, self.embedding, outer)
    )
    self.down = nn.Identity()
    if inner != outer:
      norm = nn.BatchNorm2d(outer)
      self.down = nn.Sequential(nn.Conv2d(inner, outer, 1), norm)
    self.bn = nn.BatchNorm2d(outer)

  def forward(self, x):
    b, c, t, v = x.shape
    total = 0
    units = zip(self.DepM, self.conv_a, self.conv_b, self.conv_d, strict=True)
    for matrix, conv_a, conv_b, conv_d in units:
      theta = conv_a(x).permute(0, 3, 1, 2).reshape(b, v, -1)
      phi = conv_b(x).reshape(b, -1, v)
      attention = (theta @ phi / phi.shape[1]).softmax(-2)
      mixed = x.reshape(b, c * t, v) @ (matrix + attention)
      total = total + conv_d(mixed.view(b, c, t, v))
    return torch.relu(self.bn(total) + self.down(x))


class ConvNorm(nn.Module):
  """A (taps x 1) convolution over time, and batch norm."""

  def __init__(self, inner, outer, taps, stride):
    super().__init__()
    pad = (taps // 2, 0)
    self.conv = nn.Conv2d(inner, outer, (taps, 1), (stride, 1), pad)
    self.bn = nn.BatchNorm2d(outer)

  def forward(self, x):
    return self.bn(self.conv(x))


class Block(nn.Module):
  """Spatial unit, temporal unit, and the residual around them."""

  def __init__(self, inner, outer, joints, heads, stride, first):
    super().__init__()
    self.s_unit = Spatial(inner, outer, joints, heads)
    self.t_unit = ConvNorm(outer, outer, 9, stride)
    self.first = first
    self.residual = nn.Identity()
    if not first and (inner != outer or stride > 1):
      self.residual = ConvNorm(inner, outer, 1, stride)

  def forward(self, x):
    y = self.t_unit(self.s_unit(x))
    return torch.relu(y if self.first else y + self.residual(x))


class TorchUNIK(nn.Module):
  """Maps keypoints (N, C, T, V, M) to logits (N, classes)."""

  def __init__(self, classes, joints, persons, channels, heads=3):
    super().__init__()
    self.data_bn = nn.BatchNorm1d(persons * joints * channels)
    inner = channels
    layers = zip(WIDTHS, STRIDES, strict=True)
    for i, (outer, stride) in enumerate(layers):
      block = Block(inner, outer, joints, heads if i else 3, stride, not i)
      setattr(self, f'l{i + 1}', block)
      inner = outer
    self.fc = nn.Linear(inner, classes)

  def forward(self, x):
    n, c, t, v, m = x.shape
    x = self.data_bn(x.permute(0, 4, 3, 1, 2).reshape(n, m * v * c, t))
    x = x.view(n, m, v, c, t).permute(0, 1, 3, 4, 2).reshape(n * m, c, t, v)
    for i in range(len(WIDTHS)):
      x = getattr(self, f'l{i + 1}')(x)
    return self.fc(x.mean((2, 3)).view(n, m, -1).mean(1))
