/* SPDX-License-Identifier: MIT */
/* Which device a rank takes. */
#include "check.h"
#include "kernels/device_choice.h"

static const char *const REASON = "no CUDA driver";

static void check_cpu(cyf_device_situation s) {
  cyf_device_choice choice = {.is_cuda = true};
  assert_ok(cyf_device_choose(&s, &choice));
  assert_false(choice.is_cuda || choice.is_shared);
}

static void check_gpu(cyf_device_situation s, int ordinal, bool is_shared) {
  cyf_device_choice choice = {0};
  assert_ok(cyf_device_choose(&s, &choice));
  assert_true(choice.is_cuda);
  assert_int_equal(choice.ordinal, ordinal);
  assert_int_equal(choice.is_shared, is_shared);
}

static void check_refused(cyf_device_situation s, cyf_status code, const char *text) {
  cyf_device_choice choice = {.is_cuda = true};
  assert_fails(cyf_device_choose(&s, &choice), code, text);
  assert_false(choice.is_cuda);
}

/* Every wish, 0 to 4 GPUs, 1 to 4 ranks, sharing or not. */
static void every_wish_meets_every_machine(void **state) {
  (void)state;
  for (int wish = CYF_DEVICE_AUTO; wish <= CYF_DEVICE_CUDA; ++wish)
    for (int n_gpus = 0; n_gpus <= 4; ++n_gpus)
      for (int size = 1; size <= 4; ++size)
        for (int rank = 0; rank < size; ++rank)
          for (int share = 0; share <= 1; ++share) {
            const cyf_device_situation s = {.wish = (cyf_device_wish)wish,
                                            .n_gpus = n_gpus,
                                            .reason = n_gpus == 0 ? REASON : "",
                                            .local_rank = rank,
                                            .local_size = size,
                                            .share_gpu = share != 0};
            if (wish == CYF_DEVICE_CPU && share)
              check_refused(s, CYF_ERR_USAGE, "contradict");
            else if (wish == CYF_DEVICE_CPU || (wish == CYF_DEVICE_AUTO && n_gpus == 0))
              check_cpu(s);
            else if (n_gpus == 0)
              check_refused(s, CYF_ERR_DEVICE, REASON);
            else if (size <= n_gpus)
              check_gpu(s, rank, false);
            else if (share)
              check_gpu(s, rank % n_gpus, true);
            else
              check_refused(s, CYF_ERR_USAGE, "--share-gpu");
          }
}

static void messages_name_the_numbers(void **state) {
  (void)state;
  check_refused((cyf_device_situation){.n_gpus = 1, .local_size = 3}, CYF_ERR_USAGE,
                "3 ranks on this machine, but 1 GPU: start 1 rank a machine");
  check_refused((cyf_device_situation){.wish = CYF_DEVICE_CUDA, .n_gpus = 2, .local_size = 3}, CYF_ERR_USAGE,
                "but 2 GPUs: start 2 ranks");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_wish_meets_every_machine),
                                     cmocka_unit_test(messages_name_the_numbers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
