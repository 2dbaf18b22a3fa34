// Probabilities of any size: mantissa 2^exponent with 1 <= mantissa < 2, the exponent a whole number in a double.
//
// A path of 2,000 near-certain frames leaves states of probability e^-20,000 beside it, which decide all once the path
// turns out to be impossible. Scaling every state of a frame alike loses them, and logarithms lose digits instead.
#pragma once

#include "elementary.h"

namespace {

// gcc 12 keeps an object of it that has a name, or is bound to one, in memory, and then makes no vectors: functions
// take it by value, and loops give it no names.
struct ScaledDouble {
  double mantissa, exponent;
};

// In place of 0 and of infinity: no number comes near, and their differences are numbers.
constexpr double HUGE_EXPONENT = 1e300;
constexpr ScaledDouble NOTHING = {1.0, -HUGE_EXPONENT}, CERTAIN = {1.0, 0.0};

INLINED double larger(double a, double b) { return a > b ? a : b; }

// 2^n of a whole n <= 1023, and 0 below the normal numbers: its last bits beside 1.5 * 2^52 become the exponent's.
INLINED double power_of_2(double n) {
  const double kept = n < -1023.0 ? -1023.0 : n;
  return bits<double>(bits<uint64_t>(kept + (6755399441055744.0 + 1023.0)) << 52);
}

// x 2^e for a normal x > 0.
INLINED ScaledDouble normalised(double x, double e) {
  const uint64_t u = bits<uint64_t>(x);
  const double exponent = bits<double>((u >> 52) | 0x4330000000000000u) - (4503599627370496.0 + 1023.0);
  return {bits<double>((u & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u), e + exponent};
}

INLINED ScaledDouble times(ScaledDouble x, double m, double e) { return {x.mantissa * m, x.exponent + e}; }

INLINED ScaledDouble operator*(ScaledDouble a, ScaledDouble b) { return times(a, b.mantissa, b.exponent); }

// As a double, of what is no more than 1 but for rounding, with 1/2 < m: e is then no more than 1.
INLINED double part(ScaledDouble x) { return x.mantissa * power_of_2(x.exponent > 1 ? 1.0 : x.exponent); }

INLINED ScaledDouble sum(ScaledDouble a, ScaledDouble b) {
  const double e = larger(a.exponent, b.exponent);
  return {a.mantissa * power_of_2(a.exponent - e) + b.mantissa * power_of_2(b.exponent - e), e};
}

INLINED ScaledDouble sum(ScaledDouble a, ScaledDouble b, ScaledDouble c) {
  const double e = larger(larger(a.exponent, b.exponent), c.exponent);
  return {a.mantissa * power_of_2(a.exponent - e) + b.mantissa * power_of_2(b.exponent - e) +
              c.mantissa * power_of_2(c.exponent - e),
          e};
}

INLINED ScaledDouble normalised(ScaledDouble x) { return normalised(x.mantissa, x.exponent); }

// e^x = 2^n e^r with |r| <= log(2)/2 and the Taylor series of e^r.
INLINED ScaledDouble scaled_exp(double x) {
  const double above = x < -HUGE_EXPONENT ? -HUGE_EXPONENT : x, y = above > HUGE_EXPONENT ? HUGE_EXPONENT : above;
  const double n = (y * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0;
  double r = (y - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  r = r < -0.4 ? -0.4 : r;  // where x has fewer digits than its whole part
  r = r > 0.4 ? 0.4 : r;
  double q = 1.0 / 6227020800;
  q = q * r + 1.0 / 479001600;
  q = q * r + 1.0 / 39916800;
  q = q * r + 1.0 / 3628800;
  q = q * r + 1.0 / 362880;
  q = q * r + 1.0 / 40320;
  q = q * r + 1.0 / 5040;
  q = q * r + 1.0 / 720;
  q = q * r + 1.0 / 120;
  q = q * r + 1.0 / 24;
  q = q * r + 1.0 / 6;
  q = q * r + 0.5;
  return {1.0 + (r + r * r * q), n};
}

// Infinite where HUGE_EXPONENT takes part; of full digits near 1.
inline double scaled_log(ScaledDouble x) {
  if (x.exponent < -0.9 * HUGE_EXPONENT) return -infinity<double>;
  if (x.exponent > 0.9 * HUGE_EXPONENT) return infinity<double>;
  if (x.exponent == -1) return std::log1p(0.5 * x.mantissa - 1);
  return std::log1p(x.mantissa - 1) + x.exponent * 0.69314718055994531;
}

}  // namespace
