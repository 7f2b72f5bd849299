/* SPDX-License-Identifier: MIT */
#include "data/tensors/torch_convert.h"

#include <math.h>
#include <string.h>

static float from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* IEEE 754 binary16: 1 sign bit, 5 exponent bits (bias 15) and 10 fraction bits. All values are exact in float32. */
static float from_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half >> 15) << 31, exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
  if (exponent == 0x1f) return from_bits(sign | 0x7f800000u | fraction << 13);
  if (exponent == 0) {
    float magnitude = ldexpf((float)fraction, -24); /* zero and subnormal numbers: fraction * 2^-24 */
    return sign ? -magnitude : magnitude;
  }
  return from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

#define LOAD(type, name) \
  type name;             \
  memcpy(&name, bytes + index * (int64_t)sizeof name, sizeof name)

float cyf_torch_to_float(cyf_torch_type type, const uint8_t *bytes, int64_t index) {
  switch (type) {
    case CYF_TORCH_FLOAT32: {
      LOAD(float, value);
      return value;
    }
    case CYF_TORCH_FLOAT64: {
      LOAD(double, value);
      return (float)value;
    }
    case CYF_TORCH_FLOAT16: {
      LOAD(uint16_t, value);
      return from_half(value);
    }
    case CYF_TORCH_BFLOAT16: {
      LOAD(uint16_t, value);
      return from_bits((uint32_t)value << 16);
    }
    case CYF_TORCH_INT64: {
      LOAD(int64_t, value);
      return (float)value;
    }
    case CYF_TORCH_INT32: {
      LOAD(int32_t, value);
      return (float)value;
    }
    case CYF_TORCH_INT16: {
      LOAD(int16_t, value);
      return (float)value;
    }
    case CYF_TORCH_INT8:
      return (float)(int8_t)bytes[index];
    case CYF_TORCH_UINT8:
      return (float)bytes[index];
    case CYF_TORCH_BOOL:
      return bytes[index] != 0 ? 1.0f : 0.0f;
    case CYF_TORCH_N_TYPES:
      break;
  }
  return NAN;
}
