// Half-precision storage: conversions to the dtype of computation and back, also with streaming stores.
#pragma once

#include "elementary.h"

#if defined(__AVX512F__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // gcc 12 of its own header
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace {

struct BFloat16 {
  uint16_t raw;
};
struct Half {
  uint16_t raw;
};

// The dtype of computation.
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

// `n` numbers in the dtype of computation: `from` itself where it is that, else a copy in `room`.
template <class S>
INLINED const typename Compute<S>::type* read(const S* from, typename Compute<S>::type* room, int64_t n) {
  if constexpr (sizeof(S) == sizeof(typename Compute<S>::type)) {
    return from;
  } else {
    widen_all(from, room, n);
    return room;
  }
}

#if defined(__AVX512F__)
// 64 bytes of storage, of as many numbers as they hold. nans: whether NaN of any bits may be among them.
template <bool nans>
INLINED __m512i packed(const float* x, float) { return _mm512_loadu_si512(x); }
template <bool nans>
INLINED __m512i packed(const double* x, double) { return _mm512_loadu_si512(x); }

template <bool nans>
INLINED __m512i packed(const float* x, Half) {
  const __m256i low = _mm512_cvtps_ph(_mm512_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT);
  const __m256i high = _mm512_cvtps_ph(_mm512_loadu_ps(x + 16), _MM_FROUND_TO_NEAREST_INT);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// As narrow, in the upper half of each number.
template <bool nans>
INLINED __m512i rounded(__m512 x) {
  const __m512i u = _mm512_castps_si512(x), last = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7FFF)), last);
  if constexpr (!nans) return sum;
  return _mm512_mask_mov_epi32(sum, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_epi32(0x7FC00000));
}

template <bool nans>
INLINED __m512i packed(const float* x, BFloat16) {
  alignas(64) static constexpr int16_t upper[] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                                  33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  const __m512i low = rounded<nans>(_mm512_loadu_ps(x)), high = rounded<nans>(_mm512_loadu_ps(x + 16));
  return _mm512_permutex2var_epi16(low, _mm512_load_si512(upper), high);
}
#endif

// at(0), at(1), ... into storage. non_temporal: streaming stores, with no read for ownership; for gradients that exceed
// the caches. nans: as above; of bf16 those whose lower half is 0 need no mention.
template <bool nans = true, class S, class At>
INLINED void write(S* to, int64_t n, bool non_temporal, At at) {
  int64_t i = 0;
#if defined(__AVX512F__)
  constexpr int64_t line = 64 / sizeof(S);
  if (non_temporal) {
    for (; i < n && reinterpret_cast<uintptr_t>(to + i) % 64; ++i) to[i] = narrow(at(i), S{});
  }
  if (non_temporal || sizeof(S) == 2) {
    for (; i + line <= n; i += line) {
      typename Compute<S>::type room[line];
#pragma omp simd
      for (int64_t j = 0; j < line; ++j) room[j] = at(i + j);
      const __m512i whole = packed<nans>(room, S{});
      __m512i* const line_to = reinterpret_cast<__m512i*>(to + i);
      non_temporal ? _mm512_stream_si512(line_to, whole) : _mm512_storeu_si512(line_to, whole);
    }
  }
#else
  (void)non_temporal;
#endif
#pragma omp simd
  for (int64_t j = i; j < n; ++j) to[j] = narrow(at(j), S{});
}

template <class S>
INLINED void write(const typename Compute<S>::type* from, S* to, int64_t n, bool non_temporal) {
  write(to, n, non_temporal, [=](int64_t i) ALWAYS_INLINE { return from[i]; });
}

// Orders streaming stores before whatever comes next.
INLINED void finish_writing() {
#if defined(__AVX512F__)
  _mm_sfence();
#endif
}

}  // namespace
