/* SPDX-License-Identifier: MIT */
/* What the globals of a state dict mean: ordered dictionaries, storages, and tensors that are views of storages. */
#include <string.h>

#include "base/memory.h"
#include "data/tensors/torch_pickle_internal.h"

static const struct {
  const char *name, *storage;
  int64_t bytes;
} types[CYF_TORCH_N_TYPES] = {
    [CYF_TORCH_FLOAT32] = {"float32", "FloatStorage", 4}, [CYF_TORCH_FLOAT64] = {"float64", "DoubleStorage", 8},
    [CYF_TORCH_FLOAT16] = {"float16", "HalfStorage", 2},  [CYF_TORCH_BFLOAT16] = {"bfloat16", "BFloat16Storage", 2},
    [CYF_TORCH_INT64] = {"int64", "LongStorage", 8},      [CYF_TORCH_INT32] = {"int32", "IntStorage", 4},
    [CYF_TORCH_INT16] = {"int16", "ShortStorage", 2},     [CYF_TORCH_INT8] = {"int8", "CharStorage", 1},
    [CYF_TORCH_UINT8] = {"uint8", "ByteStorage", 1},      [CYF_TORCH_BOOL] = {"bool", "BoolStorage", 1},
};

const char *cyf_torch_type_name(cyf_torch_type type) {
  return types[type].name;
}
int64_t cyf_torch_type_bytes(cyf_torch_type type) {
  return types[type].bytes;
}

static bool is(const char *text, int64_t n, const char *wanted) {
  return (size_t)n == strlen(wanted) && memcmp(text, wanted, (size_t)n) == 0;
}

/* Copies a text as printable ASCII, so that a message cannot carry control characters to a terminal. */
static void printable(const char *text, int64_t n, char out[81]) {
  int64_t shown = n < 80 ? n : 80;
  for (int64_t i = 0; i < shown; i++) out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
  out[shown] = '\0';
}

cyf_status cyf_pickle_global_push(cyf_pickle_reader *r, const char *module, int64_t module_n, const char *name,
                                  int64_t name_n) {
  int64_t global = -1;
  if (is(module, module_n, "collections") && is(name, name_n, "OrderedDict")) global = CYF_GLOBAL_ORDERED_DICT;
  if (is(module, module_n, "torch._utils") && is(name, name_n, "_rebuild_tensor_v2"))
    global = CYF_GLOBAL_REBUILD_TENSOR;
  if (is(module, module_n, "torch._utils") && is(name, name_n, "_rebuild_parameter"))
    global = CYF_GLOBAL_REBUILD_PARAMETER;
  if (is(module, module_n, "torch"))
    for (int type = 0; type < CYF_TORCH_N_TYPES; type++)
      if (is(name, name_n, types[type].storage)) global = CYF_GLOBAL_STORAGE + type;
  if (global < 0) {
    char shown_module[81], shown_name[81];
    printable(module, module_n, shown_module);
    printable(name, name_n, shown_name);
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s: it names the Python object %s.%s, which is refused: only state dicts of plain tensors are "
                    "read (save model.state_dict())",
                    r->name, shown_module, shown_name);
  }
  cyf_pickle_value *value = NULL;
  CYF_TRY(cyf_pickle_push(r, CYF_PICKLE_GLOBAL, &value));
  value->integer = global;
  return CYF_OK;
}

static cyf_status wrong(const cyf_pickle_reader *r, const char *what) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: the pickle is damaged: %s", r->name, what);
}

/* Item i of the tuple when it is of this kind, otherwise NULL. */
static const cyf_pickle_value *item(const cyf_pickle_reader *r, const cyf_pickle_value *tuple, int64_t i,
                                    cyf_pickle_kind kind) {
  if (i >= tuple->n) return NULL;
  const cyf_pickle_value *value = &r->p->value[tuple->item[i]];
  return value->kind == kind ? value : NULL;
}

/* ---- storages ---- */

/* Reads a storage's description, such as ('storage', torch.FloatStorage, '0', 'cpu', 123): type, key and count. */
static cyf_status read_storage(const cyf_pickle_reader *r, const cyf_pickle_value *description,
                               cyf_torch_storage *ret_storage) {
  if (description->kind != CYF_PICKLE_TUPLE || description->n != 5)
    return wrong(r, "a storage's description is no tuple of five");
  const cyf_pickle_value *tag = item(r, description, 0, CYF_PICKLE_TEXT);
  const cyf_pickle_value *type = item(r, description, 1, CYF_PICKLE_GLOBAL);
  const cyf_pickle_value *key = item(r, description, 2, CYF_PICKLE_TEXT);
  const cyf_pickle_value *count = item(r, description, 4, CYF_PICKLE_INT);
  if (tag == NULL || !is(tag->text, tag->n, "storage") || type == NULL || type->integer < CYF_GLOBAL_STORAGE)
    return wrong(r, "a persistent object is no storage of a known type");
  if (key == NULL || key->n < 1 || key->n > CYF_TORCH_KEY_MAX) return wrong(r, "a storage's key is no number");
  for (int64_t i = 0; i < key->n; i++)
    if (key->text[i] < '0' || key->text[i] > '9') return wrong(r, "a storage's key is no number");
  if (count == NULL || count->integer < 0) return wrong(r, "a storage's size is no count");
  *ret_storage =
      (cyf_torch_storage){.type = (cyf_torch_type)(type->integer - CYF_GLOBAL_STORAGE), .count = count->integer};
  memcpy(ret_storage->key, key->text, (size_t)key->n);
  return CYF_OK;
}

cyf_status cyf_pickle_persistent(cyf_pickle_reader *r) {
  int32_t description = 0;
  cyf_torch_storage storage;
  cyf_pickle *p = r->p;
  CYF_TRY(cyf_pickle_pop(r, &description));
  CYF_TRY(read_storage(r, &p->value[description], &storage));
  if (p->n_storages == r->storages_capacity) {
    int64_t wanted = r->storages_capacity > 0 ? 2 * r->storages_capacity : 16;
    CYF_TRY(cyf_realloc((void **)&p->storage, (size_t)wanted, sizeof *p->storage));
    r->storages_capacity = wanted;
  }
  p->storage[p->n_storages] = storage;
  cyf_pickle_value *value = NULL;
  CYF_TRY(cyf_pickle_push(r, CYF_PICKLE_STORAGE, &value));
  value->integer = p->n_storages++;
  return CYF_OK;
}

/* ---- tensors ---- */

/* Reads a tuple of non-negative integers. */
static cyf_status read_extents(const cyf_pickle_reader *r, const cyf_pickle_value *tuple, int64_t *values) {
  for (int64_t i = 0; i < tuple->n; i++) {
    const cyf_pickle_value *value = item(r, tuple, i, CYF_PICKLE_INT);
    if (value == NULL || value->integer < 0) return wrong(r, "a tensor's sizes and strides are no counts");
    values[i] = value->integer;
  }
  return CYF_OK;
}

/* Counts the view's elements, and checks that all of them lie in the storage and are no more than it has. */
static cyf_status check_view(const cyf_pickle_reader *r, cyf_torch_view *view) {
  const int64_t in_storage = r->p->storage[view->storage].count;
  int64_t last = view->offset;
  view->count = 1;
  for (int i = 0; i < view->n_dims; i++) {
    if (view->shape[i] == 0) view->count = 0;
    if (view->shape[i] == 1) view->stride[i] = 0; /* PyTorch leaves any number here, since it is never used */
  }
  for (int i = 0; i < view->n_dims && view->count > 0; i++) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(view->count, view->shape[i], &view->count) ||
        __builtin_mul_overflow(view->shape[i] - 1, view->stride[i], &reach) ||
        __builtin_add_overflow(last, reach, &last) || view->count > in_storage || last >= in_storage)
      return wrong(r, "a tensor is larger than its storage");
  }
  if (view->count > 0 && last >= in_storage) return wrong(r, "a tensor is larger than its storage");
  return CYF_OK;
}

/* Reads the arguments of torch._utils._rebuild_tensor_v2: storage, offset, size, stride, requires_grad, backward_hooks
 * and perhaps metadata. */
static cyf_status read_view(const cyf_pickle_reader *r, const cyf_pickle_value *arguments, cyf_torch_view *ret_view) {
  const cyf_pickle_value *storage = item(r, arguments, 0, CYF_PICKLE_STORAGE);
  const cyf_pickle_value *offset = item(r, arguments, 1, CYF_PICKLE_INT);
  const cyf_pickle_value *shape = item(r, arguments, 2, CYF_PICKLE_TUPLE);
  const cyf_pickle_value *stride = item(r, arguments, 3, CYF_PICKLE_TUPLE);
  if (arguments->n < 6 || arguments->n > 7 || storage == NULL || offset == NULL || offset->integer < 0 ||
      shape == NULL || stride == NULL || shape->n != stride->n)
    return wrong(r, "a tensor's description has an unknown form");
  if (shape->n > CYF_TORCH_DIMS_MAX)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: a tensor of %lld dimensions; at most %d are read", r->name, (long long)shape->n,
                    CYF_TORCH_DIMS_MAX);
  *ret_view = (cyf_torch_view){.storage = storage->integer, .offset = offset->integer, .n_dims = (int)shape->n};
  CYF_TRY(read_extents(r, shape, ret_view->shape));
  CYF_TRY(read_extents(r, stride, ret_view->stride));
  return check_view(r, ret_view);
}

static cyf_status push_tensor(cyf_pickle_reader *r, const cyf_pickle_value *arguments) {
  cyf_pickle *p = r->p;
  cyf_torch_view view;
  CYF_TRY(read_view(r, arguments, &view));
  if (p->n_views == r->views_capacity) {
    int64_t wanted = r->views_capacity > 0 ? 2 * r->views_capacity : 16;
    CYF_TRY(cyf_realloc((void **)&p->view, (size_t)wanted, sizeof *p->view));
    r->views_capacity = wanted;
  }
  p->view[p->n_views] = view;
  cyf_pickle_value *value = NULL;
  CYF_TRY(cyf_pickle_push(r, CYF_PICKLE_TENSOR, &value));
  value->integer = p->n_views++;
  return CYF_OK;
}

/* ---- opcodes that in Python would call something ---- */

cyf_status cyf_pickle_reduce(cyf_pickle_reader *r) {
  int32_t arguments_at = 0, global_at = 0;
  CYF_TRY(cyf_pickle_pop(r, &arguments_at));
  CYF_TRY(cyf_pickle_pop(r, &global_at));
  const cyf_pickle_value *arguments = &r->p->value[arguments_at], *global = &r->p->value[global_at];
  if (arguments->kind != CYF_PICKLE_TUPLE || global->kind != CYF_PICKLE_GLOBAL)
    return wrong(r, "a call (REDUCE) of what is no known global");
  if (global->integer == CYF_GLOBAL_REBUILD_TENSOR) return push_tensor(r, arguments);
  if (global->integer == CYF_GLOBAL_ORDERED_DICT && arguments->n == 0) return cyf_pickle_push(r, CYF_PICKLE_DICT, NULL);
  if (global->integer == CYF_GLOBAL_REBUILD_PARAMETER) {
    /* torch._utils._rebuild_parameter(tensor, requires_grad, backward_hooks) stands for the tensor itself. */
    const cyf_pickle_value *tensor = item(r, arguments, 0, CYF_PICKLE_TENSOR);
    if (tensor == NULL) return wrong(r, "a parameter holds no tensor");
    const int64_t view = tensor->integer;
    cyf_pickle_value *value = NULL;
    CYF_TRY(cyf_pickle_push(r, CYF_PICKLE_TENSOR, &value));
    value->integer = view;
    return CYF_OK;
  }
  return wrong(r, "a call (REDUCE) with arguments of an unknown form");
}

cyf_status cyf_pickle_build(cyf_pickle_reader *r) {
  int32_t state = 0;
  CYF_TRY(cyf_pickle_pop(r, &state));
  if (r->n_stack == 0 || r->stack[r->n_stack - 1] < 0 ||
      r->p->value[r->stack[r->n_stack - 1]].kind != CYF_PICKLE_DICT || r->p->value[state].kind != CYF_PICKLE_DICT)
    return wrong(r, "BUILD of what is no dictionary");
  return CYF_OK;
}
