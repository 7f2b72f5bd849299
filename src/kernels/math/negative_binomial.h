/* SPDX-License-Identifier: MIT */
/** @file
 * The negative binomial with mean mu and inverse dispersion theta (variance mu + mu^2 / theta; Robinson & Smyth 2008):
 *   log NB(x) = lgamma(x + theta) - lgamma(theta) - lgamma(x + 1) + theta log(theta / (theta + mu))
 *               + x log(mu / (theta + mu)).
 * It is split into what a zero count gives and what a positive count adds. So the pass over all genes needs no gamma
 * function, and the few positive counts compute it in double. */
#ifndef CYF_KERNELS_MATH_NEGATIVE_BINOMIAL_H
#define CYF_KERNELS_MATH_NEGATIVE_BINOMIAL_H

#include "kernels/math/elementary.h"
#include "kernels/math/philox.h"
#include "kernels/math/special.h"

/** -log NB(0) and its derivatives by log mu and by log theta. */
CYF_HD static inline void cyf_nb_zero(float mu, float theta, float *ret_nll, float *ret_d_log_mu,
                                      float *ret_d_log_theta) {
  const float nll = theta * cyf_log1pf(mu / theta), d_log_mu = theta * mu / (theta + mu);
  *ret_nll = nll;
  *ret_d_log_mu = d_log_mu;
  /* nll - d_log_mu, where that difference of nearly equal terms (mu much below theta) is a series in r = mu / theta. */
  const float r = mu / theta;
  const float series =
      0.5f + r * (-0.666666667f + r * (0.75f + r * (-0.8f + r * (0.833333333f + r * (-0.857142857f + r * 0.875f)))));
  *ret_d_log_theta = cyf_select(r < 0.1f, theta * r * r * series, nll - d_log_mu);
}

/** log(Gamma(x + theta) / (Gamma(theta) Gamma(x + 1))) and psi(x + theta) - psi(theta) for a count x > 0. Most counts
 * are small integers, for which both are short products and sums over 0..x-1; nothing cancels in them even where theta
 * is huge. */
CYF_HD static inline void cyf_nb_gamma_terms(double x, double theta, double *ret_log_choose, double *ret_psi) {
  if (x <= 16.0 && x == (double)(int)x && theta < 1e15) {
    double product = 1.0, psi = 0.0;
    for (int k = 0; k < (int)x; ++k) {
      product *= (theta + k) / (k + 1);
      psi += 1.0 / (theta + k);
    }
    *ret_log_choose = log(product);
    *ret_psi = psi;
    return;
  }
  *ret_log_choose = cyf_lgamma(x + theta) - cyf_lgamma(theta) - cyf_lgamma(x + 1.0);
  *ret_psi = cyf_digamma(x + theta) - cyf_digamma(theta);
}

/** What a count x > 0 adds to the three results of cyf_nb_zero. */
CYF_HD static inline void cyf_nb_positive(double x, double mu, double theta, double *ret_nll, double *ret_d_log_mu,
                                          double *ret_d_log_theta) {
  const double total = theta + mu;
  double log_choose, psi;
  cyf_nb_gamma_terms(x, theta, &log_choose, &psi);
  *ret_nll = -(log_choose + x * log(mu / total));
  *ret_d_log_mu = -x * theta / total;
  *ret_d_log_theta = -theta * (psi - x / total);
}

/** The count at which the distribution function passes u in (0, 1), summed up term by term:
 * P(k) = P(k - 1) (k - 1 + theta) / k * mu / (mu + theta). nll_zero: -log P(0), below 700. */
CYF_HD static inline double cyf_nb_quantile(double u, double mu, double theta, double nll_zero) {
  const double ratio = mu / (mu + theta);
  double term = exp(-nll_zero), sum = term, k = 0.0;
  /* Beyond the mean and below the sum's last bit, terms change nothing any more. */
  while (u >= sum && !(k > mu && term < 1e-17)) {
    k += 1.0;
    term *= (k - 1.0 + theta) / k * ratio;
    sum += term;
  }
  return k;
}

/** A uniform double in (0, 1) from two words: 53 bits, of which the sum is exact. */
CYF_HD static inline double cyf_nb_unit(uint32_t high, uint32_t low) {
  /* Of 27 and 26 bits, the words are signed integers as well, which vector instructions convert to double. */
  return ((int32_t)(high >> 5) * 67108864.0 + (int32_t)(low >> 6) + 0.5) * (1.0 / 9007199254740992.0);
}

/** The uniform number of a draw's piece: genes 2 k and 2 k + 1 share Philox block k. */
CYF_HD static inline double cyf_nb_unit_of(const uint32_t key[2], uint32_t piece, uint64_t position, uint32_t gene) {
  const cyf_philox_words words = cyf_philox(key, piece, position, gene / 2);
  return gene % 2 ? cyf_nb_unit(words.w2, words.w3) : cyf_nb_unit(words.w0, words.w1);
}

/** Whether a draw with first uniform number u is zero by P(0) >= 1 - mu. False where that does not tell, and where
 * mean or theta are no parameters. Without branches, so that loops over it vectorise. */
CYF_HD static inline int cyf_nb_is_surely_zero(double u, float mean, float theta) {
  return (u < 1.0 - (double)mean) & (mean >= 0.0f) & (theta == theta);
}

/** The draw where cyf_nb_is_surely_zero does not tell. u: its first uniform number. */
CYF_HD static inline float cyf_nb_draw_other(double u, float mean, float theta_of_gene, const uint32_t key[2],
                                             uint64_t position, uint32_t gene) {
  const double most_nll = 500.0;
  /* An infinite theta is the limit, a Poisson distribution, which the largest float is as well. */
  double mu = mean, theta = cyf_select(theta_of_gene > 3.402823466e38f, 3.402823466e38f, theta_of_gene), count = 0.0;
  if (!(mean >= 0.0f && mean < 1e9f) || theta != theta) return NAN;
  uint32_t n_pieces = 1;
  for (uint32_t piece = 0; piece < n_pieces; ++piece) {
    if (piece > 0) u = cyf_nb_unit_of(key, piece, position, gene);
    const double nll_zero = theta * log1p(mu / theta);
    if (piece == 0 && nll_zero > most_nll) {
      n_pieces = (uint32_t)(nll_zero / most_nll) + 1;
      mu /= n_pieces;
      theta /= n_pieces;
    }
    count += cyf_nb_quantile(u, mu, theta, nll_zero > most_nll ? nll_zero / n_pieces : nll_zero);
  }
  return (float)count;
}

/** Draws the count of gene `gene` of the cell at `position`, from NB(mu, theta) by inversion. Most means are small and
 * most draws zero, which P(0) >= 1 - mu decides without a logarithm. Where P(0) would vanish in double, the draw is the
 * sum of m draws from NB(mu / m, theta / m), each with a uniform number of its own (the pieces). */
CYF_HD static inline float cyf_nb_draw(float mean, float theta_of_gene, const uint32_t key[2], uint64_t position,
                                       uint32_t gene) {
  const double u = cyf_nb_unit_of(key, 0, position, gene);
  if (cyf_nb_is_surely_zero(u, mean, theta_of_gene)) return 0.0f;
  return cyf_nb_draw_other(u, mean, theta_of_gene, key, position, gene);
}

#endif
