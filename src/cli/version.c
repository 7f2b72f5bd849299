/* SPDX-License-Identifier: MIT */
#include "cli/version.h"

#include "base/config/yaml_doc.h"
#include "base/terminal.h"
#include "comm/comm.h"
#include "data/hdf5/hdf5_file.h"
#include "data/tensors/torch_zip.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/device.h"

/* GCC's __VERSION__ is a bare number. Other compilers that define it put their name into it. */
#if defined(__clang__) || defined(__INTEL_COMPILER) || defined(__NVCOMPILER)
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

void cyf_print_version(FILE *stream) {
  char mpi[256], hdf5[64];
#if CYF_HAVE_CUDA
  char nccl[64];
#endif
  cyf_mpi_version(mpi, sizeof mpi);
  cyf_hdf5_version(hdf5, sizeof hdf5);
  cyf_print(stream, "cytoforge %s\n", CYF_VERSION);
  cyf_print(stream, "  compiler   %s, %s build\n", COMPILER, CYF_BUILD_TYPE);
  cyf_print(stream, "  MPI        %s\n", mpi);
  cyf_print(stream, "  HDF5       %s\n", hdf5);
  cyf_print(stream, "  BLAS       %s, kernels for %s\n", cyf_blas_version(), cyf_blas_core());
  cyf_print(stream, "  libyaml    %s\n", cyf_yaml_version());
  cyf_print(stream, "  libzip     %s\n", cyf_torch_zip_version());
  cyf_print(stream, "  random     Philox4x32-10 (Random123)\n");
#if CYF_HAVE_CUDA
  const char *reason = "";
  const int n_gpus = cyf_cuda_device_count(&reason);
  cyf_nccl_version(nccl, sizeof nccl);
  cyf_print(stream, "  CUDA       ");
  if (n_gpus > 0)
    cyf_print(stream, "built in, %d GPU%s here\n", n_gpus, n_gpus > 1 ? "s" : "");
  else
    cyf_print(stream, "built in, %s\n", reason);
  cyf_print(stream, "  NCCL       %s\n", nccl[0] != '\0' ? nccl : "not built in");
  cyf_print(stream, "  backends   cpu, cuda\n");
#else
  cyf_print(stream, "  backends   cpu (built without CUDA)\n");
#endif
}
