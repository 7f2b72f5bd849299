# SPDX-License-Identifier: MIT
# Sourced by run.sh: where the packed folder's programs and the machine's CUDA libraries are. `here` is the packed folder.
# A distribution's Open MPI may keep its plug-ins elsewhere under its prefix, and has a PMIx with plug-ins of its own.
export OPAL_PREFIX=$here/openmpi OPAL_BINDIR=$here/openmpi/bin OPAL_LIBDIR=$here/openmpi/lib OPAL_DATADIR=$here/openmpi/share
export OPAL_PKGLIBDIR=$here/openmpi/lib/openmpi OPAL_PKGDATADIR=$here/openmpi/share/openmpi
export PMIX_INSTALL_PREFIX=$here/openmpi PMIX_PKGLIBDIR=$here/openmpi/lib/pmix PMIX_PKGDATADIR=$here/openmpi/share/pmix
export PATH=$here/bin:$here/openmpi/bin:${PATH:-/usr/local/bin:/usr/bin:/bin}
# For programs of the machine, which may need newer libraries than the packed ones: outside COMMAND.
export outside_libraries=${LD_LIBRARY_PATH-}
outside() { LD_LIBRARY_PATH=$outside_libraries "$@"; }
export -f outside
libraries=$here/lib
# The toolkit's libraries, and those that PyTorch's wheels bring: cuBLASLt and NCCL are loaded when they are first used.
for folder in "${CUDA_HOME:-/usr/local/cuda}/lib64" "${CUDA_HOME:-/usr/local/cuda}/lib" \
  $(python3 -c 'import glob, site, sys
roots = site.getsitepackages() + [site.getusersitepackages()] + sys.path
print(*sorted({p for r in roots if r for p in glob.glob(r + "/nvidia/*/lib")}))' 2>/dev/null); do
  if [ -d "$folder" ]; then libraries=$libraries:$folder; fi
done
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl=self,vader OMPI_MCA_plm=isolated OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_rmaps_base_oversubscribe=1
