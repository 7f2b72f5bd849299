/* SPDX-License-Identifier: MIT */
/* Signals as a flag. */
#include "base/interrupt.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t requested_signal;
static volatile sig_atomic_t stop_seen;
static volatile int64_t first_stop_ns; /* written before stop_seen is set; read by later signals only */

static int64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now); /* async-signal-safe by POSIX */
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void on_signal(int signal_number) {
  if (signal_number != SIGUSR1) {
    /* A scheduler and mpirun often deliver one request twice, a moment apart: that is not impatience. */
    if (stop_seen) {
      if (monotonic_ns() - first_stop_ns > 1000000000) _exit(128 + signal_number);
    } else {
      first_stop_ns = monotonic_ns();
      stop_seen = 1;
    }
  }
  if (!requested_signal) requested_signal = signal_number;
}

void cyf_interrupt_install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART; /* reads and writes under way go on */
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGTERM);
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGUSR1);
  sigaddset(&action.sa_mask, SIGHUP);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
  struct sigaction hangup;
  if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, NULL);
  action.sa_handler = SIG_IGN;
  sigaction(SIGXFSZ, &action, NULL);
  sigaction(SIGPIPE, &action, NULL);
}

int cyf_interrupt_requested(void) {
  return (int)requested_signal;
}
