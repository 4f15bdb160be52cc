"""Default options of the networks: the `model` block of every config.

Plain data, so that reading a config imports no network.
"""

# Models that are fitted at once instead of trained (`rocket.py`).
ROCKETS = ('minirocket', 'multirocket')
DEFAULTS = {
  # A key of `registry.MODELS`, or one of `ROCKETS`.
  'name': 'unik',
  # Of the computation: 'float32' or 'bfloat16'. Parameters are float32.
  'dtype': 'float32',
  # Form of the operations: 'einsum' (ops.py), 'cpu' (ops_cpu.py) or 'tpu'
  # (ops_tpu.py). 'auto': by the platform of the mesh.
  'implementation': 'auto',
  # Recompute blocks in the backward pass, to save memory.
  'remat': False,
  # Groups of a batch with separate batch-norm statistics, like the
  # devices of PyTorch's DataParallel.
  'norm_groups': 1,
  # Exclude absent persons from batch norm's statistics.
  'norm_present': False,
  # Channels and temporal strides of each block (ms_g3d: of each stage).
  # (): the network's own.
  'widths': (),
  'strides': (),
  # Frames of a temporal convolution (unik, unik_pp, agcn, aagcn,
  # st_gcn).
  'temporal_kernel': 9,
  # unik, unik_pp: heads of each block. unik: first_block_heads = -1:
  # num_heads (the paper's text; the official code has 3).
  'num_heads': 3,
  'first_block_heads': 3,
  # unik: frames of S-LSU's temporal window, and the temporal dilation of
  # each block. (): 1 everywhere.
  'tau': 1,
  'dilations': (),
  # unik: add self-attention to the dependency matrix. attention_scale
  # False: Eq. 4 of the paper, without the official code's scale.
  'attention': True,
  'attention_scale': True,
  # unik: 'dependency', or the paper's baselines 'adaptive' (AM) and
  # 'fixed' (FM), which start from the skeleton's graph.
  'matrix': 'dependency',
  # unik: initial dependency matrix: 'code' (official code), 'paper'
  # (Eq. 3), 'identity', 'graph' or 'zeros'.
  'dependency_init': 'code',
  # unik_pp: streams that have a branch ((): all four), and learned joints into
  # which a branch gathers the layout's.
  'streams': (),
  'latent_joints': 8,
  # st_gcn: learn a weight of each edge.
  'edge_importance_weighting': True,
  # st_gcn: dropout rate. The authors use 0.5 on NTU RGB+D.
  'dropout': 0.0,
  # ms_g3d: graph scales within a frame, and within windows of frames.
  # The authors use 8 and 8 on Kinetics.
  'num_gcn_scales': 13,
  'num_g3d_scales': 6,
  # res_gcn: blocks, 'b15', 'b19', 'b23' or 'b29' (basic) or 'n39', 'n51',
  # 'n57' or 'n75' (bottlenecks); how much narrower bottlenecks are; attention
  # to body parts.
  'kind': 'b19',
  'reduction': 4,
  'part_attention': True,
}
