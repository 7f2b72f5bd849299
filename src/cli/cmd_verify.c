/* SPDX-License-Identifier: MIT */
/* verify: compares files that cytoforge wrote with their checksums. */
#include "base/clock.h"
#include "base/log.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "train/verify.h"

static const cyf_usage usage = {
    .command = "verify",
    .arguments = "ATLAS|RUN|MODEL...",
    .text =
        "Reads every byte of an atlas, a run (model, checkpoints, latents, settings), a folder of latents or a model, "
        "and compares\n"
        "it with the checksums that were written with it. Each damaged file is named, with the place. Ranks share "
        "the files.\n"
        "Exit code 0: all is as it was written. 4: something is damaged, or carries no checksum since cytoforge 0.1 "
        "wrote it.",
    .examples =
        "  cytoforge verify atlas\n"
        "  mpirun -n 4 cytoforge verify atlas runs/first\n"
        "  cytoforge verify runs/first/model.h5\n"};

static void help(FILE *stream) {
  cyf_options_print_help(&usage, NULL, 0, stream);
}

static cyf_status verify(cyf_comm *comm, const char *path) {
  cyf_verified found = {0};
  const double start_s = cyf_clock_s();
  CYF_TRY(cyf_verify_files(comm, path, &found));
  if (cyf_comm_rank(comm) == 0)
    cyf_print(stdout, "%s: %lld file%s as written, %.1f MB in %.1f s\n", path,
              (long long)(found.n_files - found.n_without), found.n_files - found.n_without == 1 ? "" : "s",
              (double)found.bytes / 1e6, cyf_clock_s() - start_s);
  if (found.n_without == 0) return CYF_OK;
  return cyf_comm_agree(comm, CYF_FAIL(CYF_ERR_INPUT, "%s: %lld file%s cannot be verified, for lack of checksums", path,
                                       (long long)found.n_without, found.n_without == 1 ? "" : "s"));
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  cyf_texts paths = {0};
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, NULL, 0, &paths));
  if (status == CYF_OK)
    status = cyf_comm_agree(context->comm, cyf_need(&usage, paths.n > 0 ? paths.item : NULL, "ATLAS, RUN or MODEL"));
  for (int64_t i = 0; i < paths.n && status == CYF_OK; i++) status = verify(context->comm, paths.item[i]);
  cyf_options_free(NULL, 0, &paths);
  return status;
}

const cyf_command cyf_cmd_verify = {.name = "verify",
                                    .summary = "compare an atlas, a run or a model with the checksums that it carries",
                                    .collective = true,
                                    .stops_itself = true,
                                    .run = run,
                                    .help = help};
