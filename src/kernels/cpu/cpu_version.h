/* SPDX-License-Identifier: MIT */
#ifndef CYF_KERNELS_CPU_CPU_VERSION_H
#define CYF_KERNELS_CPU_CPU_VERSION_H

/** @{ */
/** OpenBLAS's version and the kernels it chose for this CPU, static. */
const char *cyf_blas_version(void);
const char *cyf_blas_core(void);
/** @} */

#endif
