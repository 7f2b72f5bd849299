/* SPDX-License-Identifier: MIT */
#include "data/hdf5/hdf5_version.h"

#include <hdf5.h>
#include <stdio.h>

#include "data/hdf5/hdf5_lock.h"

void cyf_hdf5_version(char *text, size_t size) {
  unsigned major = 0, minor = 0, release = 0;
  cyf_hdf5_lock();
  H5get_libversion(&major, &minor, &release);
  cyf_hdf5_unlock();
#ifdef H5_HAVE_PARALLEL
  const char *kind = "parallel";
#else
  const char *kind = "serial";
#endif
  snprintf(text, size, "%u.%u.%u (%s)", major, minor, release, kind);
}
