#!/usr/bin/env bash
#SBATCH --job-name=unik
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=4
#SBATCH --signal=TERM@120
#SBATCH --requeue
# Trains on GPUs under Slurm, one process per GPU. The nodes need a
# shared file system. Slurm sends SIGTERM two minutes before the job's end, and
# the run saves a checkpoint. A requeued job resumes from it.
#
#   sbatch launch/slurm.sh --config=configs/posetics.py --workdir=runs/posetics
srun .venv/bin/python -m unik_jax.main --multihost "$@"
