/* SPDX-License-Identifier: MIT */
#include "comm/comm_version.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>

void cyf_mpi_version(char *text, size_t size) {
  char line[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(line, &length);
  snprintf(text, size, "%.*s", (int)strcspn(line, ",\n"), line);
}
