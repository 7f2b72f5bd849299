/* Measurements that `cytoforge bench` shares. */
#ifndef CYF_CLI_BENCH_H
#define CYF_CLI_BENCH_H

#include <stdint.h>

#include "base/status.h"
#include "cli/command.h"
#include "data/atlas.h"

/* Drops the shards from the page cache of this machine. Not collective. Errors: CYF_ERR_INPUT, CYF_ERR_IO. */
cyf_status cyf_bench_drop_cache(const cyf_atlas *atlas);
/* Reads every size-th shard from shard `rank` on, in pieces of 4 MiB one after another, as `dd bs=4M` does. Not
 * collective. Errors: CYF_ERR_INPUT. */
cyf_status cyf_bench_read(const cyf_atlas *atlas, int rank, int size, int64_t *ret_bytes, double *ret_seconds);

/* `bench train`: the time of a training step. Collective. */
cyf_status cyf_bench_train(cyf_context *context, int argc, char **argv);
void cyf_bench_train_help(FILE *stream);

#endif
