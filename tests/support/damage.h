/* SPDX-License-Identifier: MIT */
/* Bytes of files that become others, as where a disk has lost a bit: nobody is told, so the time of change stays. */
#ifndef CYF_TESTS_DAMAGE_H
#define CYF_TESTS_DAMAGE_H

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static inline int64_t damage_size(const char *path) {
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  return (int64_t)info.st_size;
}

/* Changes the bits `by` of the byte at `at`; once more makes it what it was. */
static inline void damage_byte(const char *path, int64_t at, unsigned char by) {
  struct stat before;
  unsigned char byte = 0;
  const int file = open(path, O_RDWR);
  assert_true(file >= 0 && fstat(file, &before) == 0 && pread(file, &byte, 1, (off_t)at) == 1);
  byte ^= by;
  assert_int_equal(pwrite(file, &byte, 1, (off_t)at), 1);
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  assert_int_equal(futimens(file, times), 0);
  close(file);
}

#endif
