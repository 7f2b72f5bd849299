/* SPDX-License-Identifier: MIT */
#include "train/counts_start.h"

#include <math.h>

#include "base/memory.h"
#include "kernels/math/normalisation.h"

enum { CELLS_WANTED = 8192 };

/* Sums over cells i with total s_i; x is a gene's count in the cell. */
typedef struct count_sums {
  int64_t n_genes;
  double *first, *factorial; /* [n_genes] sums of x and of x (x - 1) */
  double total, total_squared, log_total, log_total_squared, n_cells;
} count_sums;

enum { N_SCALARS = 5 };

static void add_batch(const cyf_batch *batch, count_sums *sums) {
  for (int64_t i = 0; i < batch->cells.n_cells; i++) {
    const double total = (double)batch->total[i];
    if (total <= 0) continue;
    sums->n_cells++;
    sums->total += total;
    sums->total_squared += total * total;
    sums->log_total += log(total);
    sums->log_total_squared += log(total) * log(total);
    for (int64_t k = batch->cells.indptr[i]; k < batch->cells.indptr[i + 1]; k++) {
      const double x = expm1((double)batch->cells.values[k]) * total / CYF_NORMALISED_TOTAL;
      sums->first[batch->cells.indices[k]] += x;
      sums->factorial[batch->cells.indices[k]] += x * (x - 1);
    }
  }
}

static cyf_status read_cells(cyf_loader *loader, count_sums *sums) {
  const int64_t n_batches = cyf_loader_batches_per_epoch(loader);
  int64_t n_seen = 0;
  for (int64_t i = 0; i < n_batches && n_seen < CELLS_WANTED; i++) {
    cyf_batch batch;
    CYF_TRY(cyf_loader_next(loader, &batch));
    add_batch(&batch, sums);
    n_seen += batch.n_global;
  }
  return CYF_OK;
}

static cyf_status sum_over_ranks(cyf_comm *comm, count_sums *sums) {
  double scalars[N_SCALARS] = {sums->total, sums->total_squared, sums->log_total, sums->log_total_squared,
                               sums->n_cells};
  CYF_TRY(cyf_comm_sum_double(comm, scalars, N_SCALARS));
  CYF_TRY(cyf_comm_sum_double(comm, sums->first, sums->n_genes));
  CYF_TRY(cyf_comm_sum_double(comm, sums->factorial, sums->n_genes));
  sums->total = scalars[0];
  sums->total_squared = scalars[1];
  sums->log_total = scalars[2];
  sums->log_total_squared = scalars[3];
  sums->n_cells = scalars[4];
  return CYF_OK;
}

/* Estimates theta by moments. For a gene's share p of all counts, the sum over cells of the negative binomial's second
 * factorial moments is
 *
 *     sum_i s_i^2 p^2 (1 + 1 / theta).
 *
 * Over all cells differences between cell types count as dispersion, so theta starts too low; it is kept within
 * bounds. */
static double log_theta_of(const count_sums *sums, int64_t gene, double share) {
  const double least = 0.1, most = 50, counts_needed = 20;
  if (sums->first[gene] < counts_needed) return 0;
  const double inverse = sums->factorial[gene] / (share * share * sums->total_squared) - 1;
  return log(inverse > 1 / most ? fmax(1 / inverse, least) : most);
}

static cyf_status start(const count_sums *sums, cyf_autoencoder *autoencoder) {
  const double half = 0.5; /* a gene that was not seen gets half a count */
  if (sums->n_cells == 0) return CYF_FAIL(CYF_ERR_INPUT, "the first cells hold no count");
  double *share = NULL, *log_theta = NULL;
  const double mean = sums->log_total / sums->n_cells, variance = sums->log_total_squared / sums->n_cells - mean * mean;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&share, sums->n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&log_theta, sums->n_genes));
  for (int64_t g = 0; g < sums->n_genes; g++) {
    share[g] = (sums->first[g] + half) / (sums->total + half * (double)sums->n_genes);
    log_theta[g] = log_theta_of(sums, g, share[g]);
  }
  status = cyf_autoencoder_start_counts(autoencoder, share, log_theta, mean, sqrt(fmax(variance, 1e-3)));
cleanup:
  cyf_free(share);
  cyf_free(log_theta);
  return status;
}

cyf_status cyf_start_from_counts(cyf_comm *comm, cyf_loader *loader, cyf_autoencoder *autoencoder) {
  count_sums sums = {.n_genes = cyf_autoencoder_get_config(autoencoder)->n_genes};
  cyf_status status = CYF_NEW(&sums.first, sums.n_genes);
  if (status == CYF_OK) status = CYF_NEW(&sums.factorial, sums.n_genes);
  if (status == CYF_OK) status = read_cells(loader, &sums);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  CYF_TRY_CLEANUP(sum_over_ranks(comm, &sums));
  status = cyf_comm_agree(comm, start(&sums, autoencoder));
cleanup:
  cyf_free(sums.first);
  cyf_free(sums.factorial);
  return status;
}
