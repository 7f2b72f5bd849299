/* SPDX-License-Identifier: MIT */
/* Every operation on a GPU against the CPU backend: check_cuda_ops [--device N] [--precision fp32|tf32|bf16]. Without
 * --precision all three are checked. It writes a table on standard error, and a line of JSON for each operation on
 * standard output. Without a GPU it says so and exits with 77 (skipped). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_compare.h"
#include "kernels/cuda/cuda_device.h"

static const char *const names[] = {"fp32", "tf32", "bf16"};

static int check(int ordinal, cyf_precision precision) {
  cyf_device *cpu = NULL, *device = NULL;
  compare_report report;
  if (cyf_device_create_cpu(0, &cpu) != CYF_OK || cyf_device_create_cuda(ordinal, 0, precision, &device) != CYF_OK) {
    fprintf(stderr, "check_cuda_ops: %s\n", cyf_status_message());
    cyf_device_destroy(&cpu);
    return 1;
  }
  compare_all(cpu, device, precision, true, &report);
  fprintf(stderr, "%s, %s\n%-28s %12s %12s %7s\n", cyf_cuda_device_name(device), names[precision], "operation", "error",
          "tolerance", "checks");
  for (int k = 0; k < report.n_slots; ++k) {
    const compare_slot *s = &report.slots[k];
    const int fine = s->error <= s->tolerance;
    fprintf(stderr, "%-28s %12.2e %12.2e %7d%s\n", s->name, s->error, s->tolerance, s->n_checks,
            fine ? "" : "  FAILED");
    printf("{\"operation\": \"%s\", \"precision\": \"%s\", \"error\": %.3e, \"tolerance\": %.3e, \"ok\": %s}\n",
           s->name, names[precision], s->error < 1e300 ? s->error : 1e300, s->tolerance, fine ? "true" : "false");
  }
  const int empty = compare_empty_slots(device->ops, "cuda");
  cyf_device_destroy(&device);
  cyf_device_destroy(&cpu);
  return report.n_failed > 0 || empty > 0;
}

int main(int argc, char **argv) {
  int ordinal = 0, only = -1;
  for (int k = 1; k + 1 < argc; k += 2) {
    if (strcmp(argv[k], "--device") == 0) ordinal = atoi(argv[k + 1]);
    for (int p = 0; strcmp(argv[k], "--precision") == 0 && p < 3; ++p) {
      if (strcmp(argv[k + 1], names[p]) == 0) only = p;
    }
  }
  const char *reason;
  if (cyf_cuda_device_count(&reason) == 0) {
    printf("check_cuda_ops: skipped: %s\n", reason);
    return 77;
  }
  int failed = 0;
  for (int p = 0; p < 3; ++p) {
    if (only < 0 || only == p) failed |= check(ordinal, (cyf_precision)p);
  }
  return failed;
}
