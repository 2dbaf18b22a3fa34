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

// use(i, the lane of i) for i < n, as vector code.
template <class T, class Use>
INLINED void in_lanes(int64_t n, Use use) {
  int64_t i = 0;
  for (; i + LANES<T> <= n; i += LANES<T>) {
#pragma omp simd
    for (int64_t j = 0; j < LANES<T>; ++j) use(i + j, j);
  }
#pragma omp simd
  for (int64_t j = 0; j < n - i; ++j) use(i + j, j);
}

}  // namespace
