// SIMD accumulators with a tree reduction, for sums and maxima of a row. OpenMP's reduction ends lane after lane, which
// takes longer than a short row.
#pragma once

#include "elementary.h"

namespace {

template <class T>
constexpr int64_t LANES = 64 / sizeof(T);

template <class T>
struct Accumulators {
  T at[LANES<T>];

  INLINED explicit Accumulators(T start) {
    for (T& x : at) x = start;
  }

  INLINED T total() const {
    return tree([](T a, T b) ALWAYS_INLINE { return a + b; });
  }

  INLINED T largest() const {
    return tree([](T a, T b) ALWAYS_INLINE { return a > b ? a : b; });
  }

 private:
  template <class Join>
  INLINED T tree(Join join) const {
    T room[LANES<T>];
    for (int64_t j = 0; j < LANES<T>; ++j) room[j] = at[j];
    for (int64_t half = LANES<T> / 2; half > 0; half /= 2) {
#pragma omp simd
      for (int64_t j = 0; j < half; ++j) room[j] = join(room[j], room[j + half]);
    }
    return room[0];
  }
};

template <int64_t width, class Use>
INLINED int64_t in_vectors(int64_t i, int64_t n, Use use) {
  for (; i + width <= n; i += width) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) use(i + j, j);
  }
  return i;
}

// use(i, the lane of i) for i < n, in whole vectors, then in halves and quarters: a scalar tail takes longer.
template <class T, class Use>
INLINED void for_lanes(int64_t n, Use use) {
  int64_t i = in_vectors<LANES<T>>(0, n, use);
  i = in_vectors<LANES<T> / 2>(i, n, use);
  i = in_vectors<LANES<T> / 4>(i, n, use);
  for (int64_t j = 0; i < n; ++i, ++j) use(i, j);
}

}  // namespace
