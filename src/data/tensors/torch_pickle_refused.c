/* SPDX-License-Identifier: MIT */
/* Refusing the opcodes that are not read, by their names. */
#include "data/tensors/torch_pickle_internal.h"

/* The names in pickletools.py of opcodes that are not read; the others are in torch_pickle.c. */
static const struct {
  uint8_t code;
  const char *name;
} opcode_names[] = {{'0', "POP"},
                    {'1', "POP_MARK"},
                    {'2', "DUP"},
                    {'F', "FLOAT"},
                    {'I', "INT"},
                    {'L', "LONG"},
                    {'P', "PERSID"},
                    {'S', "STRING"},
                    {'T', "BINSTRING"},
                    {'U', "SHORT_BINSTRING"},
                    {'V', "UNICODE"},
                    {'d', "DICT"},
                    {'g', "GET"},
                    {'i', "INST"},
                    {'l', "LIST"},
                    {'o', "OBJ"},
                    {'p', "PUT"},
                    {0x81, "NEWOBJ"},
                    {0x82, "EXT1"},
                    {0x83, "EXT2"},
                    {0x84, "EXT4"},
                    {0x8b, "LONG4"},
                    {'B', "BINBYTES"},
                    {'C', "SHORT_BINBYTES"},
                    {0x8c, "SHORT_BINUNICODE"},
                    {0x8d, "BINUNICODE8"},
                    {0x8e, "BINBYTES8"},
                    {0x8f, "EMPTY_SET"},
                    {0x90, "ADDITEMS"},
                    {0x91, "FROZENSET"},
                    {0x92, "NEWOBJ_EX"},
                    {0x93, "STACK_GLOBAL"},
                    {0x94, "MEMOIZE"},
                    {0x95, "FRAME"},
                    {0x96, "BYTEARRAY8"},
                    {0x97, "NEXT_BUFFER"},
                    {0x98, "READONLY_BUFFER"}};

cyf_status cyf_pickle_refuse_opcode(const cyf_pickle_reader *r, uint8_t code) {
  for (size_t i = 0; i < sizeof opcode_names / sizeof opcode_names[0]; i++)
    if (opcode_names[i].code == code)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: pickle opcode %s is refused: a state dict needs none such", r->name,
                      opcode_names[i].name);
  return CYF_FAIL(CYF_ERR_INPUT, "%s: byte 0x%02x is no pickle opcode", r->name, code);
}
