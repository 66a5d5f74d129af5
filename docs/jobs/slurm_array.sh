#!/bin/bash
# Verifies a record in the tasks of a Slurm array, a shard each:
#   sbatch --array=1-8 docs/jobs/slurm_array.sh runs/a experiment.yaml runs/b
# and when all have ended:
#   assay merge runs/b-* -o runs/b
#SBATCH --job-name=assay
#SBATCH --ntasks=1
#SBATCH --gpus-per-task=1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@60
set -euo pipefail

record=$1
experiment=$2
out=$3
if [ "$SLURM_ARRAY_TASK_MIN" != 1 ] || [ "$SLURM_ARRAY_TASK_COUNT" != "$SLURM_ARRAY_TASK_MAX" ]; then
  echo "the array must be 1-N: task i does shard i of N" >&2
  exit 2
fi
status=0
srun assay verify "$record" -e "$experiment" -o "$out-$SLURM_ARRAY_TASK_ID" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" || status=$?
# 4: stopped by the signal. The folder has what was done; the same command goes on from there.
if [ "$status" = 4 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$status"
