/* SPDX-License-Identifier: MIT */
/* The pickle reader's values and its stack of them. */
#include "base/memory.h"
#include "data/tensors/torch_pickle_internal.h"

cyf_status cyf_pickle_broken(const cyf_pickle_reader *r, const char *why) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: the pickle is damaged at byte %lld: %s", r->name, (long long)r->at, why);
}

/* Makes room for one more element. */
static cyf_status grow(void **array, int64_t n, int64_t *capacity, size_t element_bytes) {
  if (n < *capacity) return CYF_OK;
  int64_t wanted = *capacity > 0 ? 2 * *capacity : 4;
  CYF_TRY(cyf_realloc(array, (size_t)wanted, element_bytes));
  *capacity = wanted;
  return CYF_OK;
}

cyf_status cyf_pickle_push_index(cyf_pickle_reader *r, int32_t value) {
  CYF_TRY(grow((void **)&r->stack, r->n_stack, &r->stack_capacity, sizeof *r->stack));
  r->stack[r->n_stack++] = value;
  return CYF_OK;
}

cyf_status cyf_pickle_push(cyf_pickle_reader *r, cyf_pickle_kind kind, cyf_pickle_value **ret_value) {
  cyf_pickle *p = r->p;
  CYF_TRY(grow((void **)&p->value, p->n_values, &r->values_capacity, sizeof *p->value));
  CYF_TRY(cyf_pickle_push_index(r, (int32_t)p->n_values));
  cyf_pickle_value *value = &p->value[p->n_values++];
  *value = (cyf_pickle_value){.kind = kind};
  if (ret_value != NULL) *ret_value = value;
  return CYF_OK;
}

cyf_status cyf_pickle_pop(cyf_pickle_reader *r, int32_t *ret_value) {
  if (r->n_stack == 0 || r->stack[r->n_stack - 1] == CYF_PICKLE_MARK) return cyf_pickle_broken(r, "its stack is empty");
  *ret_value = r->stack[--r->n_stack];
  return CYF_OK;
}

cyf_status cyf_pickle_peek(const cyf_pickle_reader *r, int32_t *ret_value) {
  if (r->n_stack == 0 || r->stack[r->n_stack - 1] == CYF_PICKLE_MARK) return cyf_pickle_broken(r, "its stack is empty");
  *ret_value = r->stack[r->n_stack - 1];
  return CYF_OK;
}

cyf_status cyf_pickle_append(cyf_pickle_value *to, int32_t item) {
  CYF_TRY(grow((void **)&to->item, to->n, &to->capacity, sizeof *to->item));
  to->item[to->n++] = item;
  return CYF_OK;
}
