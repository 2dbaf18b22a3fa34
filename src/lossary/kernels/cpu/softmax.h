// The softmax of rows of logits for losses of sequences: its statistics are kept, and it is made again where the gradient
// is written.
#pragma once

#include "rows.h"
#include "scaled_double.h"

namespace {

// e^x for x <= 0 to the digits that storage keeps, in loops that become vector code in fp64 too.
INLINED double exp_of_row(double x, double) {
  const ScaledDouble y = scaled_exp(x);
  return y.mantissa * power_of_2(y.exponent);
}
template <class S>
INLINED float exp_of_row(float x, S) {
  return exp_of_nonpositive(x, S{});
}

// The maximum of a row of logits, Σ e^(x - maximum), and its logarithm, from what the maximum leaves to the others:
// log-probabilities near 0 keep their digits. others: the probability of all classes that a sample does not have.
struct Softmax {
  double largest, sum, log_sum, others = 0;
};

template <class S, class T>
Softmax softmax_of(const T* x, int64_t n, S) {
  const T largest = maximum(x, n);
  double others = -1;
  for (int64_t begin = 0; begin < n; begin += TILE) {
    const T* const z = x + begin;
    Accumulators<T> rest(0), ties(0);
    for_lanes<T>(n - begin < TILE ? n - begin : TILE, [&](int64_t i, int64_t lane) ALWAYS_INLINE {
      const T e = exp_of_row(z[i] - largest, S{});
      rest.at[lane] += select(z[i] == largest, T(0), e);
      ties.at[lane] += select(z[i] == largest, T(1), T(0));
    });
    others += static_cast<double>(rest.total()) + static_cast<double>(ties.total());
  }
  if (largest == -infinity<T>) others = nan<double>;
  return {largest, others + 1, std::log1p(others)};
}

// softmax * scale.
template <class S, class To>
void scaled_softmax(const S* x, To* to, int64_t n, const Softmax& row, double scale) {
  using T = typename Compute<S>::type;
  const T largest = static_cast<T>(row.largest), factor = static_cast<T>(scale / row.sum);
  write(to, n, false, [=](int64_t i) ALWAYS_INLINE { return exp_of_row(below(widen(x[i]), largest), S{}) * factor; });
}

}  // namespace
