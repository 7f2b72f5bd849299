# SPDX-License-Identifier: MIT
# Sourced by the scripts that start mpirun: what Open MPI needs where root runs it, and on a single machine. On a cluster none of it applies.
if [ "$(id -u)" -eq 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
if [ -z "${SLURM_JOB_ID:-}" ]; then
  # One machine: no network transport, no binding (each rank takes its share of the CPUs itself), and more ranks than cores allowed.
  export OMPI_MCA_btl=self,vader OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_rmaps_base_oversubscribe=1
fi
