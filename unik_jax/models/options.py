"""Default options of the networks: the `model` block of every config.

Plain data, so that reading a config imports no network.
"""

NAME = 'unik'  # a key of `registry.MODELS`

DEFAULTS = {
  # All networks.
  'name': NAME,
  'dtype': 'float32',  # of the computation: float32, bfloat16
  # Which form of the operations runs: einsum (ops.py), cpu (ops_cpu.py), or
  # auto, by the platform of the mesh.
  'implementation': 'auto',
  'remat': False,  # recompute blocks in the backward pass to save memory
  'norm_groups': 1,  # parts of a batch with separate batch norm statistics
  'norm_present': False,  # leave absent persons out of batch norm statistics
  'widths': (),  # channels of each block or stage; () for the network's own
  'strides': (),  # temporal stride of each; () for the network's own
  # unik, agcn, aagcn, st_gcn
  'temporal_kernel': 9,  # taps, in frames
  # unik
  'num_heads': 3,
  'first_block_heads': 3,  # -1: as many as num_heads (the paper's text)
  'tau': 1,  # frames in the spatial window
  'dilations': (),  # of each block's temporal convolution; () for 1
  'attention': True,
  'attention_scale': True,  # False: Eq. 4 of the paper
  'matrix': 'dependency',  # or adaptive, fixed: the paper's AM and FM
  'dependency_init': 'code',  # or paper (Eq. 3), identity, graph, zeros
  # st_gcn
  'edge_importance_weighting': True,
  'dropout': 0.0,  # the authors use 0.5 on NTU RGB+D
  # ms_g3d: scales within a frame and in windows; the authors use 8 and 8 on
  # Kinetics
  'num_gcn_scales': 13,
  'num_g3d_scales': 6,
}
