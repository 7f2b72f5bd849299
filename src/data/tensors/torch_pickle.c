/* SPDX-License-Identifier: MIT */
#include "data/tensors/torch_pickle.h"

#include <string.h>

#include "base/memory.h"
#include "data/tensors/torch_pickle_internal.h"

enum { OPCODES_MAX = 1000000, MEMO_MAX = 1 << 20, LINE_MAX_BYTES = 256 };

static cyf_status push_int(cyf_pickle_reader *r, cyf_pickle_kind kind, int64_t integer) {
  cyf_pickle_value *value = NULL;
  CYF_TRY(cyf_pickle_push(r, kind, &value));
  value->integer = integer;
  return CYF_OK;
}

/* ---- bytes ---- */

static cyf_status take(cyf_pickle_reader *r, int64_t n, const uint8_t **ret_bytes) {
  if (n > r->size - r->at) return cyf_pickle_broken(r, "it ends in the middle of an opcode");
  *ret_bytes = r->bytes + r->at;
  r->at += n;
  return CYF_OK;
}

/* An unsigned little-endian number of up to 4 bytes. */
static cyf_status take_number(cyf_pickle_reader *r, int n_bytes, uint32_t *ret_number) {
  const uint8_t *bytes = NULL;
  CYF_TRY(take(r, n_bytes, &bytes));
  *ret_number = 0;
  for (int i = 0; i < n_bytes; i++) *ret_number |= (uint32_t)bytes[i] << (8 * i);
  return CYF_OK;
}

static cyf_status take_line(cyf_pickle_reader *r, const char **ret_line, int64_t *ret_n) {
  const uint8_t *begin = r->bytes + r->at;
  int64_t left = r->size - r->at < LINE_MAX_BYTES ? r->size - r->at : LINE_MAX_BYTES;
  const uint8_t *end = left > 0 ? memchr(begin, '\n', (size_t)left) : NULL;
  if (end == NULL) return cyf_pickle_broken(r, "a global's name has no end");
  *ret_line = (const char *)begin;
  *ret_n = end - begin;
  r->at += *ret_n + 1;
  return CYF_OK;
}

/* ---- opcodes ---- */

static cyf_status read_protocol(cyf_pickle_reader *r) {
  uint32_t protocol = 0;
  CYF_TRY(take_number(r, 1, &protocol));
  if (protocol == 2) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: pickle protocol %u; torch.save writes protocol 2 unless told otherwise", r->name,
                  protocol);
}

static cyf_status read_global(cyf_pickle_reader *r) {
  const char *module = NULL, *name = NULL;
  int64_t module_n = 0, name_n = 0;
  CYF_TRY(take_line(r, &module, &module_n));
  CYF_TRY(take_line(r, &name, &name_n));
  return cyf_pickle_global_push(r, module, module_n, name, name_n);
}

static cyf_status read_text(cyf_pickle_reader *r) {
  uint32_t n = 0;
  const uint8_t *bytes = NULL;
  cyf_pickle_value *value = NULL;
  CYF_TRY(take_number(r, 4, &n));
  CYF_TRY(take(r, n, &bytes));
  CYF_TRY(cyf_pickle_push(r, CYF_PICKLE_TEXT, &value));
  value->text = (const char *)bytes;
  value->n = n;
  return CYF_OK;
}

/* An integer of up to 8 bytes in two's complement, the lowest byte first, after a byte with their number. */
static cyf_status read_long(cyf_pickle_reader *r) {
  uint32_t n = 0;
  const uint8_t *bytes = NULL;
  CYF_TRY(take_number(r, 1, &n));
  CYF_TRY(take(r, n, &bytes));
  if (n > 8) return cyf_pickle_broken(r, "an integer of more than 64 bits");
  uint64_t number = n > 0 && (bytes[n - 1] & 0x80) != 0 ? UINT64_MAX : 0;
  for (uint32_t i = 0; i < n; i++) {
    number &= ~((uint64_t)0xff << (8 * i));
    number |= (uint64_t)bytes[i] << (8 * i);
  }
  return push_int(r, CYF_PICKLE_INT, (int64_t)number);
}

static cyf_status read_real(cyf_pickle_reader *r) {
  const uint8_t *bytes = NULL;
  cyf_pickle_value *value = NULL;
  CYF_TRY(take(r, 8, &bytes));
  uint64_t bits = 0;
  for (int i = 0; i < 8; i++) bits = bits << 8 | bytes[i];
  CYF_TRY(cyf_pickle_push(r, CYF_PICKLE_REAL, &value));
  memcpy(&value->real, &bits, sizeof bits);
  return CYF_OK;
}

static cyf_status read_int(cyf_pickle_reader *r, int n_bytes) {
  uint32_t number = 0;
  CYF_TRY(take_number(r, n_bytes, &number));
  return push_int(r, CYF_PICKLE_INT, n_bytes == 4 ? (int32_t)number : (int64_t)number);
}

/* Enters the top value in the memo, under a number of n_bytes. */
static cyf_status put_memo(cyf_pickle_reader *r, int n_bytes) {
  uint32_t place = 0;
  int32_t value = 0;
  CYF_TRY(take_number(r, n_bytes, &place));
  CYF_TRY(cyf_pickle_peek(r, &value));
  if (place >= MEMO_MAX || place >= r->size) return cyf_pickle_broken(r, "its memo is too large");
  if (place >= r->n_memo) {
    int64_t wanted = 2 * (int64_t)place + 16;
    CYF_TRY(cyf_realloc((void **)&r->memo, (size_t)wanted, sizeof *r->memo));
    for (int64_t i = r->n_memo; i < wanted; i++) r->memo[i] = -1;
    r->n_memo = wanted;
  }
  r->memo[place] = value;
  return CYF_OK;
}

/* Pushes the memo's value of a number of n_bytes. */
static cyf_status get_memo(cyf_pickle_reader *r, int n_bytes) {
  uint32_t place = 0;
  CYF_TRY(take_number(r, n_bytes, &place));
  if (place >= r->n_memo || r->memo[place] < 0) return cyf_pickle_broken(r, "it refers to what is not there");
  return cyf_pickle_push_index(r, r->memo[place]);
}

/* Finds the topmost mark: its index in the stack. */
static cyf_status find_mark(const cyf_pickle_reader *r, int64_t *ret_mark) {
  int64_t at = r->n_stack - 1;
  while (at >= 0 && r->stack[at] != CYF_PICKLE_MARK) at--;
  if (at < 0) return cyf_pickle_broken(r, "a mark is missing");
  *ret_mark = at;
  return CYF_OK;
}

/* Takes the n topmost values off the stack and pushes a tuple of them. */
static cyf_status make_tuple(cyf_pickle_reader *r, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (i >= r->n_stack || r->stack[r->n_stack - 1 - i] == CYF_PICKLE_MARK)
      return cyf_pickle_broken(r, "its stack is empty");
  cyf_pickle_value tuple = {0};
  if (n > 0) {
    CYF_TRY(CYF_NEW(&tuple.item, n));
    memcpy(tuple.item, r->stack + r->n_stack - n, sizeof *tuple.item * (size_t)n);
  }
  r->n_stack -= n;
  cyf_pickle_value *value = NULL;
  cyf_status status = cyf_pickle_push(r, CYF_PICKLE_TUPLE, &value);
  if (status != CYF_OK) {
    cyf_free(tuple.item);
    return status;
  }
  value->item = tuple.item;
  value->n = value->capacity = n;
  return CYF_OK;
}

static cyf_status make_marked_tuple(cyf_pickle_reader *r) {
  int64_t mark = 0;
  CYF_TRY(find_mark(r, &mark));
  int64_t n = r->n_stack - mark - 1;
  memmove(r->stack + mark, r->stack + mark + 1, sizeof *r->stack * (size_t)n);
  r->n_stack--;
  return make_tuple(r, n);
}

/* Takes the values from stack[first] on off the stack, into the list or dictionary that lies below them. `marked`: a
 * mark lies in between, and goes too. */
static cyf_status add_items(cyf_pickle_reader *r, cyf_pickle_kind kind, int64_t first, bool marked) {
  int64_t owner = first - (marked ? 2 : 1), n = r->n_stack - first;
  if (owner < 0 || n < 0 || r->stack[owner] == CYF_PICKLE_MARK) return cyf_pickle_broken(r, "its stack is empty");
  for (int64_t i = first; i < r->n_stack; i++)
    if (r->stack[i] == CYF_PICKLE_MARK) return cyf_pickle_broken(r, "a mark stands where a value should");
  cyf_pickle_value *to = &r->p->value[r->stack[owner]];
  if (to->kind != kind || (kind == CYF_PICKLE_DICT && n % 2 != 0))
    return cyf_pickle_broken(r, "items are added to what cannot take them");
  for (int64_t i = 0; i < n; i++) CYF_TRY(cyf_pickle_append(to, r->stack[first + i]));
  r->n_stack = owner + 1;
  return CYF_OK;
}

static cyf_status add_marked_items(cyf_pickle_reader *r, cyf_pickle_kind kind) {
  int64_t mark = 0;
  CYF_TRY(find_mark(r, &mark));
  return add_items(r, kind, mark + 1, true);
}

/* Carries out one opcode. Behind each stands its name in pickletools.py, which says what it takes and leaves. */
static cyf_status step(cyf_pickle_reader *r, uint8_t code) {
  switch (code) {
    case 0x80: /* PROTO: the protocol's number */
      return read_protocol(r);
    case 'c': /* GLOBAL: lines with module and name */
      return read_global(r);
    case 'q': /* BINPUT */
      return put_memo(r, 1);
    case 'r': /* LONG_BINPUT */
      return put_memo(r, 4);
    case 'h': /* BINGET */
      return get_memo(r, 1);
    case 'j': /* LONG_BINGET */
      return get_memo(r, 4);
    case 'X': /* BINUNICODE: a length of 4 bytes and UTF-8 */
      return read_text(r);
    case 'K': /* BININT1: unsigned, as BININT2 */
      return read_int(r, 1);
    case 'M': /* BININT2 */
      return read_int(r, 2);
    case 'J': /* BININT: signed */
      return read_int(r, 4);
    case 0x8a: /* LONG1 */
      return read_long(r);
    case 'G': /* BINFLOAT: float64, big-endian */
      return read_real(r);
    case 'N': /* NONE */
      return cyf_pickle_push(r, CYF_PICKLE_NONE, NULL);
    case 0x88: /* NEWTRUE */
      return push_int(r, CYF_PICKLE_BOOL, 1);
    case 0x89: /* NEWFALSE */
      return push_int(r, CYF_PICKLE_BOOL, 0);
    case '(': /* MARK */
      return cyf_pickle_push_index(r, CYF_PICKLE_MARK);
    case ')': /* EMPTY_TUPLE */
      return make_tuple(r, 0);
    case 0x85: /* TUPLE1: of the top value */
      return make_tuple(r, 1);
    case 0x86: /* TUPLE2 */
      return make_tuple(r, 2);
    case 0x87: /* TUPLE3 */
      return make_tuple(r, 3);
    case 't': /* TUPLE: of all above the mark */
      return make_marked_tuple(r);
    case ']': /* EMPTY_LIST */
      return cyf_pickle_push(r, CYF_PICKLE_LIST, NULL);
    case 'a': /* APPEND: the top value to the list below it */
      return add_items(r, CYF_PICKLE_LIST, r->n_stack - 1, false);
    case 'e': /* APPENDS: all above the mark to the list below it */
      return add_marked_items(r, CYF_PICKLE_LIST);
    case '}': /* EMPTY_DICT */
      return cyf_pickle_push(r, CYF_PICKLE_DICT, NULL);
    case 's': /* SETITEM: key and value to the dictionary below them */
      return add_items(r, CYF_PICKLE_DICT, r->n_stack - 2, false);
    case 'u': /* SETITEMS: keys and values above the mark */
      return add_marked_items(r, CYF_PICKLE_DICT);
    case 'R': /* REDUCE */
      return cyf_pickle_reduce(r);
    case 'Q': /* BINPERSID */
      return cyf_pickle_persistent(r);
    case 'b': /* BUILD */
      return cyf_pickle_build(r);
    default:
      return cyf_pickle_refuse_opcode(r, code);
  }
}

static cyf_status read_all(cyf_pickle_reader *r) {
  for (int64_t n = 0; n < OPCODES_MAX; n++) {
    const uint8_t *code = NULL;
    CYF_TRY(take(r, 1, &code));
    if (*code == '.') { /* STOP: the top value is the pickle's */
      CYF_TRY(cyf_pickle_pop(r, &r->p->root));
      return r->n_stack == 0 ? CYF_OK : cyf_pickle_broken(r, "values are left over at its end");
    }
    CYF_TRY(step(r, *code));
  }
  return CYF_FAIL(CYF_ERR_INPUT, "%s: the pickle has more than %d opcodes; no state dict does", r->name, OPCODES_MAX);
}

cyf_status cyf_pickle_read(const char *name, const uint8_t *bytes, int64_t size, cyf_pickle *ret_pickle) {
  *ret_pickle = (cyf_pickle){.root = -1};
  cyf_pickle_reader reader = {.name = name, .bytes = bytes, .size = size, .p = ret_pickle};
  cyf_status status = read_all(&reader);
  cyf_free(reader.stack);
  cyf_free(reader.memo);
  if (status != CYF_OK) cyf_pickle_destroy(ret_pickle);
  return status;
}

void cyf_pickle_destroy(cyf_pickle *pickle) {
  if (pickle == NULL) return;
  for (int64_t i = 0; i < pickle->n_values; i++) cyf_free(pickle->value[i].item);
  cyf_free(pickle->value);
  cyf_free(pickle->storage);
  cyf_free(pickle->view);
  *pickle = (cyf_pickle){.root = -1};
}

int32_t cyf_pickle_get(const cyf_pickle *pickle, int32_t value, const char *key) {
  const cyf_pickle_value *dict = &pickle->value[value];
  if (dict->kind != CYF_PICKLE_DICT) return -1;
  for (int64_t i = dict->n - 2; i >= 0; i -= 2) {
    const cyf_pickle_value *k = &pickle->value[dict->item[i]];
    if (k->kind == CYF_PICKLE_TEXT && (size_t)k->n == strlen(key) && memcmp(k->text, key, (size_t)k->n) == 0)
      return dict->item[i + 1];
  }
  return -1;
}
