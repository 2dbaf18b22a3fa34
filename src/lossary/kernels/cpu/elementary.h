// exp, log and log1p that compilers turn into vector code: no branches, no calls, within 2 ulp in fp32.
// fp64 takes the C library's. Polynomials: minimax in relative error, fitted by iterated reweighting.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

// A loop with a call in it is not vector code.
#define ALWAYS_INLINE __attribute__((always_inline))
#define INLINED inline ALWAYS_INLINE

namespace {

template <class To, class From>
INLINED To bits(From x) {
  return __builtin_bit_cast(To, x);  // a memcpy would hide loads of `const float` from gcc 12's vectoriser
}

// condition ? a : b by their bits. The compiler makes branches of some ?:, and then no vectors of the loop.
INLINED float select(bool condition, float a, float b) {
  const int32_t mask = -static_cast<int32_t>(condition);
  return bits<float>((bits<int32_t>(a) & mask) | (bits<int32_t>(b) & ~mask));
}

INLINED double select(bool condition, double a, double b) { return condition ? a : b; }

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T nan = std::numeric_limits<T>::quiet_NaN();

template <class T>
INLINED bool is_finite(T x) {
  return x - x == 0;
}

// 0 * inf = 0
template <class T>
INLINED T times(T weight, T x) {
  return weight == 0 ? (x == x ? T(0) : x) : weight * x;
}

// e^x = 2^n e^r with |r| <= log(2)/2, e^r = 1 + r + r^2 q(r). 2^n in two factors: subnormal answers come out right.
INLINED float exp_(float x) {
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: the mantissa's end holds the rounded integer
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float q = 1.381459838e-3f;
  q = q * r + 8.368716898e-3f;
  q = q * r + 4.166838805e-2f;
  q = q * r + 1.666652063e-1f;
  q = q * r + 4.999999345e-1f;
  const float e = 1.0f + (r + r * r * q);
  const int32_t i = bits<int32_t>(shifted) - 0x4B400000;
  const int32_t half = i >> 1;
  return e * bits<float>((half + 127) << 23) * bits<float>((i - half + 127) << 23);
}

INLINED double exp_(double x) { return std::exp(x); }

// As exp_ for x <= 0, and 0 below the normal numbers: half the work in the last step.
INLINED float exp_of_nonpositive(float x) {
  x = x < -88.0f ? -88.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float q = 1.381459838e-3f;
  q = q * r + 8.368716898e-3f;
  q = q * r + 4.166838805e-2f;
  q = q * r + 1.666652063e-1f;
  q = q * r + 4.999999345e-1f;
  q = q * r + 1.0f;
  const float e = q * r + 1.0f;
  return e * bits<float>((bits<uint32_t>(shifted) << 23) + 0x3F800000u);
}

INLINED double exp_of_nonpositive(double x) { return std::exp(x); }

// e^x - 1 for x <= 0, of full digits near 0: 2^n (1 + p) - 1 = (2^n - 1) + 2^n p.
INLINED float expm1_of_nonpositive(float x) {
  x = x < -88.0f ? -88.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float q = 1.381459838e-3f;
  q = q * r + 8.368716898e-3f;
  q = q * r + 4.166838805e-2f;
  q = q * r + 1.666652063e-1f;
  q = q * r + 4.999999345e-1f;
  const float p = r + r * r * q, power = bits<float>((bits<uint32_t>(shifted) << 23) + 0x3F800000u);
  return (power - 1.0f) + power * p;
}

INLINED double expm1_of_nonpositive(double x) { return std::expm1(x); }

// Of normal x > 0: log x = n log(2) + log(1 + f) with 1 + f in [sqrt(1/2), sqrt(2)),
// log(1 + f) = f - f^2/2 + f^3 q(f). `less` is taken from n.
INLINED float log_of_normal(float x, float less = 0) {
  const int32_t i = static_cast<int32_t>(bits<uint32_t>(x) - 0x3F3504F3u);  // of a negative number it wraps
  const float n = static_cast<float>(i >> 23) - less;
  const float f = bits<float>((i & 0x007FFFFF) + 0x3F3504F3) - 1.0f;
  float q = 6.915160942e-2f;
  q = q * f - 1.178970270e-1f;
  q = q * f + 1.187301376e-1f;
  q = q * f - 1.238436891e-1f;
  q = q * f + 1.421865560e-1f;
  q = q * f - 1.666924955e-1f;
  q = q * f + 2.000222670e-1f;
  q = q * f - 2.499998662e-1f;
  q = q * f + 3.333331044e-1f;
  return n * 0.693359375f + (f + (f * f * (q * f - 0.5f) - n * 2.12194440e-4f));
}

INLINED double log_of_normal(double x) { return std::log(x); }

// Of finite x > 0.
INLINED float log_of_positive(float x) {
  const bool tiny = x < 1.17549435e-38f;
  return log_of_normal(tiny ? x * 8388608.0f : x, tiny ? 23.0f : 0.0f);
}

INLINED double log_of_positive(double x) { return std::log(x); }

INLINED float log_(float x) {
  const float y = log_of_positive(x);
  const float finite = x < infinity<float> ? y : x;
  const float not_positive = x == 0.0f ? -infinity<float> : nan<float>;
  return x > 0.0f ? finite : not_positive;
}

INLINED double log_(double x) { return std::log(x); }

// log(1 + x) for x >= -1: the logarithm of the rounded sum, and what the rounding took.
INLINED float log1p_(float x) {
  const float sum = 1.0f + x;
  const float lost = x - (sum - 1.0f);
  const float correction = lost / sum;
  return log_(sum) + (correction == correction ? correction : 0.0f);  // 0 / 0 at -1, and inf - inf at inf
}

INLINED double log1p_(double x) { return std::log1p(x); }

// log(1 + e) = 2 artanh(s) for e in [0, 1] and s = e / (2 + e).
INLINED float log1p_of_unit(float, float s) {
  const float z = s * s;
  float q = 1.400599629e-1f;
  q = q * z + 1.400090158e-1f;
  q = q * z + 2.001076341e-1f;
  q = q * z + 3.333320916e-1f;
  const float twice = s + s;
  return twice + twice * (z * q);
}

INLINED double log1p_of_unit(double e, double) { return std::log1p(e); }

// log cosh x for |x| <= 3/4, given m = e^(-2|x|) - 1: of x^2, or log(1 + sinh^2 x) / 2.
INLINED float log_cosh_of_small(float x, float) {
  const float z = x * x;
  float q = -4.337849663e-4f;
  q = q * z + 2.020378797e-3f;
  q = q * z - 6.702145235e-3f;
  q = q * z + 2.221705048e-2f;
  q = q * z - 8.333313299e-2f;
  return z * (q * z + 0.5f);
}

INLINED double log_cosh_of_small(double, double m) { return 0.5 * std::log1p(m * m / (4 * (1 + m))); }

// arctan of r in [0, 1]: r + r^3 q(r^2).
INLINED float atan_of_unit(float r) {
  const float z = r * r;
  float q = 2.920691037e-3f;
  q = q * z - 1.636792316e-2f;
  q = q * z + 4.321185283e-2f;
  q = q * z - 7.552213597e-2f;
  q = q * z + 1.066600431e-1f;
  q = q * z - 1.421105522e-1f;
  q = q * z + 1.999377282e-1f;
  q = q * z - 3.333315274e-1f;
  return r + r * (z * q);
}

INLINED double atan_of_unit(double r) { return std::atan(r); }

// How far t lies outside [0, 1], less the slack that rounding needs: positive where it is no probability.
template <class T>
INLINED T excess_of_probability(T t, T slack = T(4) * std::numeric_limits<T>::epsilon()) {
  const T above = t - T(1), distance = -t > above ? -t : above;
  return distance - slack;
}

}  // namespace
