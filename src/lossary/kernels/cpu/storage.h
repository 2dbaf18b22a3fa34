// Half-precision storage, and tiles of it as numbers that can be computed with.
#pragma once

#include "elementary.h"

namespace {

struct BFloat16 {
  uint16_t raw;
};
struct Half {
  uint16_t raw;
};

// What a dtype is computed in.
template <class S>
struct Compute {
  using type = float;
};
template <>
struct Compute<double> {
  using type = double;
};

INLINED float widen(BFloat16 x) { return bits<float>(static_cast<uint32_t>(x.raw) << 16); }

INLINED BFloat16 narrow(float x, BFloat16) {
  const uint32_t u = bits<uint32_t>(x);
  const uint32_t rounded = (u + 0x7FFF + ((u >> 16) & 1)) >> 16;
  return {static_cast<uint16_t>(x == x ? rounded : 0x7FC0)};
}

// A half's bits, read as a float's, are its value over 2^112 (subnormals too); infinities and NaN keep their exponent.
INLINED float widen(Half x) {
  const uint32_t magnitude = (x.raw & 0x7FFFu) << 13;
  const float scaled = bits<float>(magnitude) * 5.192296858534828e33f;
  const uint32_t special = magnitude | 0x7F800000u;
  const uint32_t value = (x.raw & 0x7C00u) == 0x7C00u ? special : bits<uint32_t>(scaled);
  return bits<float>(value | (static_cast<uint32_t>(x.raw & 0x8000u) << 16));
}

// Adding a power of 2 whose last bit is the half's last bit rounds to it, to nearest even.
INLINED Half narrow(float x, Half) {
  const uint32_t u = bits<uint32_t>(x);
  const uint32_t sign = (u >> 16) & 0x8000u;
  const uint32_t magnitude = u & 0x7FFFFFFFu;
  const uint32_t normal = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1)) >> 13;
  const uint32_t subnormal = bits<uint32_t>(bits<float>(magnitude) + 0.5f) - 0x3F000000u;
  const uint32_t large = magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u;
  const uint32_t value = magnitude >= 0x477FF000u ? large : magnitude < 0x38800000u ? subnormal : normal;
  return {static_cast<uint16_t>(sign | value)};
}

INLINED float widen(float x) { return x; }
INLINED double widen(double x) { return x; }
INLINED float narrow(float x, float) { return x; }
INLINED double narrow(double x, double) { return x; }

template <class S>
INLINED void widen_all(const S* from, typename Compute<S>::type* to, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) to[i] = widen(from[i]);
}

// `n` numbers at `from`: where they lie if they can be computed with as they are, else in `room`.
template <class S>
INLINED const typename Compute<S>::type* read(const S* from, typename Compute<S>::type* room, int64_t n) {
  if constexpr (sizeof(S) == sizeof(typename Compute<S>::type)) {
    return from;
  } else {
    widen_all(from, room, n);
    return room;
  }
}

}  // namespace
