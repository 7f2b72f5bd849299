#include "base/files.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/h5ad_reader.h"
#include "data/latents.h"
#include "kernels/backend.h"
#include "train/stages.h"

enum { ENCODE_BLOCK = 1024 };

/* Encodes rows [first, first + n) of an open shard into latent[n, L] (host). */
static cyf_status encode_block(const cyf_stage_environment *env, const cyf_autoencoder *model, cyf_scratch *scratch,
                               cyf_h5ad *shard, cyf_csr_buffer *rows, int64_t first, int64_t n, float *latent) {
  cyf_device *device = env->device;
  int64_t width = cyf_autoencoder_get_config(model)->latent;
  cyf_csr_buffer_clear(rows, env->atlas->n_genes);
  CYF_TRY(cyf_h5ad_read_rows(shard, first, n, rows));
  if (env->atlas->kind == CYF_EXPRESSION_COUNTS) cyf_csr_log_normalize(n, rows->indptr, rows->values, 1e4);
  cyf_csr cells = cyf_csr_view(rows);
  size_t mark = cyf_scratch_mark(scratch);
  float *on_device = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n * width, &on_device));
  CYF_TRY(cyf_autoencoder_encode(model, scratch, &cells, on_device));
  CYF_TRY(device->ops->download(device, latent, on_device, sizeof(float) * (size_t)(n * width)));
  CYF_TRY(device->ops->synchronize(device));
  cyf_scratch_release(scratch, mark);
  return CYF_OK;
}

static cyf_status encode_shard(const cyf_stage_environment *env, const cyf_autoencoder *model, cyf_scratch *scratch,
                               int64_t shard, uint64_t checksum) {
  const cyf_shard *place = &env->atlas->shards[shard];
  int64_t width = cyf_autoencoder_get_config(model)->latent;
  cyf_h5ad *file = NULL;
  float *latents = NULL;
  cyf_csr_buffer rows = {0};
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&latents, place->n_cells * width));
  CYF_TRY_CLEANUP(cyf_h5ad_open(place->path, NULL, &file));
  for (int64_t first = 0; first < place->n_cells; first += ENCODE_BLOCK) {
    int64_t n = place->n_cells - first < ENCODE_BLOCK ? place->n_cells - first : ENCODE_BLOCK;
    CYF_TRY_CLEANUP(encode_block(env, model, scratch, file, &rows, first, n, latents + first * width));
  }
  status = cyf_latents_write_shard(env->latents_directory, env->atlas, shard, checksum,
                                   (cyf_latent_type)env->loop.settings->latents.type, width, latents);
cleanup:
  cyf_h5ad_close(&file);
  cyf_csr_buffer_destroy(&rows);
  cyf_free(latents);
  return status;
}

/* This rank's shards: those not yet there, in turn. A signal ends it between shards. */
static cyf_status encode_own_shards(const cyf_stage_environment *env, const cyf_autoencoder *model, uint64_t checksum) {
  int rank = cyf_comm_rank(env->loop.comm), size = cyf_comm_size(env->loop.comm);
  cyf_scratch *scratch = NULL;
  CYF_TRY(cyf_scratch_create(env->device, &scratch));
  cyf_status status = CYF_OK;
  for (int64_t shard = rank; shard < env->atlas->n_shards && status == CYF_OK; shard += size) {
    if (cyf_latents_shard_done(env->latents_directory, env->atlas, shard, checksum,
                               (cyf_latent_type)env->loop.settings->latents.type))
      continue;
    if (cyf_interrupt_requested() != 0)
      status = CYF_FAIL(CYF_ERR_INTERRUPTED,
                        "stopped by a signal while encoding; finished shards are kept; --resume auto goes on");
    else
      status = encode_shard(env, model, scratch, shard, checksum);
    if (rank == 0)
      cyf_log_progress("encode  shard %lld of %lld", (long long)shard + 1, (long long)env->atlas->n_shards);
  }
  cyf_log_progress_end();
  cyf_scratch_destroy(&scratch);
  return status;
}

cyf_status cyf_load_autoencoder(const cyf_stage_environment *environment, cyf_autoencoder **ret_model,
                                uint64_t *ret_checksum) {
  const char *checkpoints = environment->loop.checkpoint_directory;
  cyf_autoencoder_config config = cyf_settings_autoencoder(environment->loop.settings, environment->atlas->n_genes);
  cyf_identity identity = cyf_autoencoder_identity(environment);
  if (!cyf_checkpoint_has_final(checkpoints, "autoencoder"))
    return CYF_FAIL(CYF_ERR_USAGE, "there is no finished autoencoder in %s; run --stage autoencoder first",
                    checkpoints);
  CYF_TRY(cyf_autoencoder_create(environment->device, &config, 0, ret_model));
  cyf_parameters *parameters = cyf_autoencoder_parameters(*ret_model);
  cyf_status status = cyf_checkpoint_load_final(checkpoints, "autoencoder", &identity, parameters);
  if (status == CYF_OK) status = cyf_parameters_checksum(parameters, ret_checksum);
  if (status != CYF_OK) cyf_autoencoder_destroy(ret_model);
  return status;
}

cyf_status cyf_encode_atlas(const cyf_stage_environment *environment, uint64_t *ret_checksum) {
  cyf_comm *comm = environment->loop.comm;
  cyf_autoencoder *model = NULL;
  cyf_status status = cyf_load_autoencoder(environment, &model, ret_checksum);
  if (status == CYF_OK) status = cyf_make_directory(environment->latents_directory);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, encode_own_shards(environment, model, *ret_checksum)));
cleanup:
  cyf_autoencoder_destroy(&model);
  return status;
}
