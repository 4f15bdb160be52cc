#!/usr/bin/env bash
#SBATCH --job-name=unik
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=4
#SBATCH --signal=TERM@120
#SBATCH --requeue
# On GPUs under Slurm, one process a GPU, on a file system that nodes share:
#
#   sbatch launch/slurm.sh --config=configs/posetics.py --workdir=runs/posetics
srun .venv/bin/python -m unik_jax.main --multihost "$@"
