// Elementary functions to the precision of the storage: of bf16 within 2e-5, with half the multiplications. (fp16 has
// eight times the precision.) Polynomials as in elementary.h.
#pragma once

#include "storage.h"

#include <type_traits>

namespace {

template <class S>
constexpr bool is_bf16 = std::is_same_v<S, BFloat16>;

// 2^f for |f| <= 1/2, exact at 0.
INLINED float bf16_power_of_two(float f) {
  float q = 9.582852945e-3f;
  q = q * f + 5.590642616e-2f;
  q = q * f + 2.402409911e-1f;
  q = q * f + 6.931241751e-1f;
  return q * f + 1.0f;
}

INLINED float bf16_exp_of_nonpositive(float x) {
  x = x < -88.0f ? -88.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float f = x * 1.44269504f - (shifted - 12582912.0f);
  return bf16_power_of_two(f) * bits<float>((bits<uint32_t>(shifted) << 23) + 0x3F800000u);
}

// 2^(n - 1) twice: the largest answers lie beyond 2^127. At the lower end it is 0.
INLINED float bf16_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float e = bf16_power_of_two(x * 1.44269504f - (shifted - 12582912.0f));
  return (e + e) * bits<float>((bits<uint32_t>(shifted) << 23) + 0x3F000000u);
}

// As log_of_normal.
INLINED float bf16_log_of_normal(float x, float less = 0) {
  const int32_t i = static_cast<int32_t>(bits<uint32_t>(x) - 0x3F3504F3u);
  const float n = static_cast<float>(i >> 23) - less;
  const float f = bits<float>((i & 0x007FFFFF) + 0x3F3504F3) - 1.0f;
  float q = -1.459252127e-1f;
  q = q * f + 2.177651420e-1f;
  q = q * f - 2.524499655e-1f;
  q = q * f + 3.328547120e-1f;
  return n * 0.693147181f + (f + f * f * (q * f - 0.5f));
}

INLINED float bf16_log_of_positive(float x) {
  const bool tiny = x < 1.17549435e-38f;
  return bf16_log_of_normal(tiny ? x * 8388608.0f : x, tiny ? 23.0f : 0.0f);
}

INLINED float bf16_log1p_of_unit(float e) {
  float q = -2.386915e-2f;
  q = q * e + 1.0122230e-1f;
  q = q * e - 2.1004871e-1f;
  q = q * e + 3.2520669e-1f;
  q = q * e - 4.9936137e-1f;
  q = q * e + 9.9999160e-1f;
  return q * e;
}

template <class S, class T>
INLINED T exp_of_nonpositive(T x, S) {
  if constexpr (is_bf16<S>) return bf16_exp_of_nonpositive(x);
  return exp_of_nonpositive(x);
}

template <class S, class T>
INLINED T exp_(T x, S) {
  if constexpr (is_bf16<S>) return bf16_exp(x);
  return exp_(x);
}

template <class S, class T>
INLINED T log_of_normal(T x, S) {
  if constexpr (is_bf16<S>) return bf16_log_of_normal(x);
  return log_of_normal(x);
}

template <class S, class T>
INLINED T log_of_positive(T x, S) {
  if constexpr (is_bf16<S>) return bf16_log_of_positive(x);
  return log_of_positive(x);
}

// log(1 + e^x) and log(1 + e^-x), and their slopes 1 / (1 + e^-x) and 1 / (1 + e^x), from one exponential and one
// division: |x| + tail and tail, major and minor.
template <class T>
struct Logistic {
  bool negative;
  T size, tail, major, minor;

  // yes * log(1 + e^-x) + no * log(1 + e^x), where 0 * inf = 0.
  INLINED T cost(T yes, T no) const {
    const T wrong = negative ? yes : no, far = wrong == 0 ? T(0) : wrong * size;
    return far + (yes + no) * tail;
  }
  INLINED T below() const { return (negative ? size : T(0)) + tail; }
  INLINED T above() const { return (negative ? T(0) : size) + tail; }
  INLINED T p() const { return negative ? minor : major; }
  INLINED T q() const { return negative ? major : minor; }
};

template <class S, class T>
INLINED Logistic<T> logistic(T x, S) {
  const T size = std::fabs(x), e = exp_of_nonpositive(-size, S{}), one_more = T(1) + e;
  if constexpr (is_bf16<S>) {
    const T major = T(1) / one_more;
    return {x < 0, size, bf16_log1p_of_unit(e), major, e * major};
  } else {
    const T two_more = T(2) + e, inverse = T(1) / (one_more * two_more), major = two_more * inverse;
    return {x < 0, size, log1p_of_unit(e, e * (one_more * inverse)), major, e * major};
  }
}

}  // namespace
