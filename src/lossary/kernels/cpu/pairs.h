// Losses of rows of vectors: cosine embedding, triplet margin with the 2-norm.
//
// Shapes: vectors and their gradients (N, D); targets, row weights, values (N).
#pragma once

#include "accumulators.h"
#include "units.h"

namespace {

using lossary::Pairs;

template <class T>
inline T largest_of(const T* x, int64_t n) {
  T m = 0;
#pragma omp simd reduction(max : m)
  for (int64_t i = 0; i < n; ++i) {
    const T size = x[i] < 0 ? -x[i] : x[i];
    m = size > m ? size : m;
  }
  return m;
}

template <class T>
inline T sum_of_squares(const T* x, T factor, int64_t n) {
  T s = 0;
#pragma omp simd reduction(+ : s)
  for (int64_t i = 0; i < n; ++i) {
    const T scaled = x[i] * factor;
    s += scaled * scaled;
  }
  return s;
}

// The 2-norm as a factor times a root: squares overflow at norms of 1e19 in fp32, and vanish at 1e-23.
template <class T>
struct Norm {
  T factor, root;

  T length() const { return root / factor; }

  // d length / d x is this times x: 0 at the zero vector and at infinite ones.
  T slope() const { return root == 0 || root == infinity<T> ? T(0) : factor / root; }
};

// squares: their sum, good where it did not overflow or vanish.
template <class T>
inline Norm<T> norm(const T* x, T squares, int64_t n) {
  constexpr T low = sizeof(T) == 4 ? T(1e-20) : T(1e-200), high = sizeof(T) == 4 ? T(1e30) : T(1e300);
  if (squares > low && squares < high) return {T(1), std::sqrt(squares)};
  const T largest = largest_of(x, n);
  if (squares != squares || largest == 0) return {T(1), squares != squares ? squares : T(0)};
  if (largest == infinity<T>) return {T(1), largest};
  const T factor = T(1) / largest;
  return {factor, std::sqrt(sum_of_squares(x, factor, n))};
}

template <class S>
struct PairKernel {
  using T = typename Compute<S>::type;

  const Pairs& call;
  const int64_t D = call.width;
  const T margin = static_cast<T>(call.margin), eps = static_cast<T>(call.eps), scale = static_cast<T>(call.scale);
  T* const room;  // three vectors

  PairKernel(const Pairs& c, char* scratch) : call(c), room(reinterpret_cast<T*>(scratch)) {}

  const T* vector(const void* x, int64_t row, int64_t place) const {
    return read(static_cast<const S*>(x) + row * D, room + place * D, D);
  }

  void zero_gradients(int64_t row) const {
    for (void* g : call.gradients) {
      if (g) std::memset(static_cast<S*>(g) + row * D, 0, D * sizeof(S));
    }
  }

  double row(int64_t r) const {
    const T weight = call.row_weight ? static_cast<const T*>(call.row_weight)[r] : T(1);
    T value = 0;
    if (weight == 0) {
      zero_gradients(r);
    } else {
      value = weight * (call.triplet ? triplet(r, weight * scale) : cosine(r, weight * scale));
    }
    if (call.values) static_cast<T*>(call.values)[r] = value;
    return value;
  }

  // 1 - cos is half the squared distance of the unit vectors: near 0 it keeps the digits that cos has lost.
  T cosine(int64_t r, T slope) const {
    const T* const a = vector(call.x[0], r, 0);
    const T* const b = vector(call.x[1], r, 1);
    const T target = static_cast<const T*>(call.target)[r];
    Accumulators<T> squares_a(0), squares_b(0);
    for_lanes<T>(D, [&](int64_t i, int64_t lane) ALWAYS_INLINE {
      squares_a.at[lane] += a[i] * a[i];
      squares_b.at[lane] += b[i] * b[i];
    });
    const Norm<T> of_a = norm(a, squares_a.total(), D), of_b = norm(b, squares_b.total(), D);
    const T ia = of_a.root > 0 ? T(1) / of_a.root : of_a.root, ib = of_b.root > 0 ? T(1) / of_b.root : of_b.root;
    T squares = 0, dot = 0;
#pragma omp simd reduction(+ : squares, dot)
    for (int64_t i = 0; i < D; ++i) {
      const T u = a[i] * of_a.factor * ia, v = b[i] * of_b.factor * ib;
      squares += (u - v) * (u - v);
      dot += u * v;
    }
    const bool plain = of_a.factor == 1 && of_b.factor == 1;
    const bool zero = of_a.root == 0 || of_b.root == 0;
    const T distance = zero ? T(1) + T(0) * squares : T(0.5) * squares, cos = dot > 1 ? T(1) : dot;
    const T above = cos - margin, apart = above <= 0 ? T(0) : above;
    const bool active = target == 1 || (target == -1 && !(above <= 0));
    const T k = !active || zero ? T(0) : target == 1 ? -slope : slope;
    const T rest = target == 1 ? distance : T(1) - dot;  // b - cos a = (b - a) + (1 - cos) a
    for (int side = 0; side < 2; ++side) {
      if (!call.gradients[side]) continue;
      const T* const x = side ? b : a;
      const T* const y = side ? a : b;
      const T ix = side ? ib : ia, iy = side ? ia : ib;
      const T fx = side ? of_b.factor : of_a.factor, fy = side ? of_a.factor : of_b.factor;
      S* const g = static_cast<S*>(call.gradients[side]) + r * D;
      if (k == 0) {
        std::memset(g, 0, D * sizeof(S));
      } else if (plain) {
        const T kx = k * ix;
#pragma omp simd
        for (int64_t i = 0; i < D; ++i) {
          const T u = x[i] * ix, v = y[i] * iy;
          g[i] = narrow(kx * ((v - u) + rest * u), S{});
        }
      } else {
#pragma omp simd
        for (int64_t i = 0; i < D; ++i) {
          const T u = x[i] * fx * ix, v = y[i] * fy * iy;
          g[i] = narrow(k * ((v - u) + rest * u) * ix * fx, S{});
        }
      }
    }
    return target == 1 ? distance : target == -1 ? apart : T(0) * target;
  }

  T triplet(int64_t r, T slope) const {
    const auto row = [&](int i) { return static_cast<const S*>(call.x[i]) + r * D; };
    const S *const a = row(0), *const p = row(1), *const n = row(2);
    T *const ap = room, *const an = room + D, *const pn = room + 2 * D;
    const T apart = eps;
    Accumulators<T> near_squares(0), far_squares(0);
    for_lanes<T>(D, [&](int64_t i, int64_t lane) ALWAYS_INLINE {
      const T anchor = widen(a[i]), to_p = anchor - widen(p[i]) + apart, to_n = anchor - widen(n[i]) + apart;
      ap[i] = to_p;
      an[i] = to_n;
      near_squares.at[lane] += to_p * to_p;
      far_squares.at[lane] += to_n * to_n;
    });
    const Norm<T> near = norm(ap, near_squares.total(), D);
    Norm<T> far = norm(an, far_squares.total(), D);
    bool swapped = false;
    if (call.swap) {
#pragma omp simd
      for (int64_t i = 0; i < D; ++i) pn[i] = widen(p[i]) - widen(n[i]) + apart;
      const Norm<T> between = norm(pn, sum_of_squares(pn, T(1), D), D);
      swapped = between.length() < far.length();
      if (swapped || between.root != between.root) far = between;
    }
    const T lead = near.length() - far.length() + margin;
    const bool enough = lead <= 0;
    const T k = enough ? T(0) : slope;
    const T kn = k * near.slope(), kf = k * far.slope();
    const T* const away = swapped ? pn : an;
    // d lead / d (a, p, n): of the near distance (1, -1, 0), of the far one (1, 0, -1), swapped (0, 1, -1).
    const auto write_sum = [&](int which, T of_near, T of_far) {
      if (!call.gradients[which]) return;
      write(static_cast<S*>(call.gradients[which]) + r * D, D, false, [=](int64_t i) ALWAYS_INLINE {
        return times(of_near, ap[i]) + times(of_far, away[i]);
      });
    };
    const auto write_one = [&](int which, T factor, const T* x) {
      if (!call.gradients[which]) return;
      write(static_cast<S*>(call.gradients[which]) + r * D, D, false,
            [=](int64_t i) ALWAYS_INLINE { return times(factor, x[i]); });
    };
    swapped ? write_one(0, kn, ap) : write_sum(0, kn, -kf);
    swapped ? write_sum(1, -kn, -kf) : write_one(1, -kn, ap);
    write_one(2, kf, away);
    return enough ? T(0) : lead;
  }
};

template <class S>
void pairs(const Pairs& call, int64_t begin, int64_t end, char* scratch) {
  const PairKernel<S> kernel(call, scratch);
  for_rows(call, begin, end, [&](int64_t r) { return kernel.row(r); });
}

inline size_t pairs_scratch(const Pairs& call) { return sizeof(double) * 3 * call.width; }

}  // namespace
