#include "cli/version.h"

#include "base/yaml_version.h"
#include "comm/comm_version.h"
#include "data/torch_zip.h"
#include "data/version_hdf5.h"
#include "kernels/cpu/cpu_version.h"

void cyf_print_version(FILE *stream) {
  char mpi[256], hdf5[64];
  cyf_mpi_version(mpi, sizeof mpi);
  cyf_hdf5_version(hdf5, sizeof hdf5);
  fprintf(stream, "cytoforge %s\n", CYF_VERSION);
  fprintf(stream, "  compiler   gcc %s, %s build\n", __VERSION__, CYF_BUILD_TYPE);
  fprintf(stream, "  MPI        %s\n", mpi);
  fprintf(stream, "  HDF5       %s\n", hdf5);
  fprintf(stream, "  BLAS       %s, kernels for %s\n", cyf_blas_version(), cyf_blas_core());
  fprintf(stream, "  libyaml    %s\n", cyf_yaml_version());
  fprintf(stream, "  libzip     %s\n", cyf_torch_zip_version());
  fprintf(stream, "  random     Philox4x32-10 (Random123)\n");
  fprintf(stream, "  backends   cpu\n");
}
