/* SPDX-License-Identifier: MIT */
#include "model/diffusion/signal_share.h"

#include <math.h>

cyf_signal cyf_signal_at(const cyf_schedule *full, double rms, int t) {
  const double alpha_bar = full->alpha_bar[t], signal = sqrt(alpha_bar) * rms, noise = sqrt(1.0 - alpha_bar);
  return (cyf_signal){signal, noise, signal * signal / (signal * signal + noise * noise)};
}

int cyf_signal_timestep(const cyf_schedule *full, double rms, double share) {
  int t = 0;
  while (t + 1 < full->n && cyf_signal_at(full, rms, t + 1).share >= share) t++;
  return t;
}

double cyf_signal_rms(const float *values, int64_t count, double scale) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
  return count > 0 ? scale * sqrt(sum / (double)count) : 0;
}
