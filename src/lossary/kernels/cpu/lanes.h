// Sums and maxima over a row with a lane for each number of a vector. What a reduction of OpenMP does at its end, one lane
// after the other, takes longer than a short row.
#pragma once

#include "elementary.h"

namespace {

template <class T>
constexpr int64_t LANES = 64 / sizeof(T);

template <class T>
struct Lanes {
  T at[LANES<T>];

  INLINED explicit Lanes(T start) {
    for (T& x : at) x = start;
  }

  INLINED T total() const {
    return by_halves([](T a, T b) ALWAYS_INLINE { return a + b; });
  }

  INLINED T largest() const {
    return by_halves([](T a, T b) ALWAYS_INLINE { return a > b ? a : b; });
  }

 private:
  template <class Join>
  INLINED T by_halves(Join join) const {
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

// use(i, the lane of i) for i < n, in whole vectors, then in smaller ones: what is left over takes longer one by one.
template <class T, class Use>
INLINED void in_lanes(int64_t n, Use use) {
  int64_t i = in_vectors<LANES<T>>(0, n, use);
  i = in_vectors<LANES<T> / 2>(i, n, use);
  i = in_vectors<LANES<T> / 4>(i, n, use);
  for (int64_t j = 0; i < n; ++i, ++j) use(i, j);
}

}  // namespace
