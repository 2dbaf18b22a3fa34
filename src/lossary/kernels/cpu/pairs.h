// Losses of rows of vectors: cosine embedding, triplet margin with the 2-norm.
#pragma once

#include "api.h"
#include "storage.h"

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

template <class T>
inline Norm<T> norm(const T* x, int64_t n) {
  constexpr T low = sizeof(T) == 4 ? T(1e-20) : T(1e-200), high = sizeof(T) == 4 ? T(1e30) : T(1e300);
  const T squares = sum_of_squares(x, T(1), n);
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
  T* const room;  // six vectors

  static size_t scratch(int64_t width) { return sizeof(T) * 6 * width; }

  PairKernel(const Pairs& c, char* scratch) : call(c), room(reinterpret_cast<T*>(scratch)) {}

  const T* vector(const void* x, int64_t row, int64_t place) const {
    return read(static_cast<const S*>(x) + row * D, room + place * D, D);
  }

  void silent(int64_t row) const {
    for (void* g : call.gradient) {
      if (g) std::memset(static_cast<S*>(g) + row * D, 0, D * sizeof(S));
    }
  }

  double row(int64_t r) const {
    const T weight = call.row_weight ? static_cast<const T*>(call.row_weight)[r] : T(1);
    T value = 0;
    if (weight == 0) {
      silent(r);
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
    const Norm<T> of_a = norm(a, D), of_b = norm(b, D);
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
      if (!call.gradient[side]) continue;
      const T* const x = side ? b : a;
      const T* const y = side ? a : b;
      const T ix = side ? ib : ia, iy = side ? ia : ib;
      const T fx = side ? of_b.factor : of_a.factor, fy = side ? of_a.factor : of_b.factor;
      S* const g = static_cast<S*>(call.gradient[side]) + r * D;
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
    const T* const a = vector(call.x[0], r, 0);
    const T* const p = vector(call.x[1], r, 1);
    const T* const n = vector(call.x[2], r, 2);
    T* const ap = room + 3 * D;
    T* const an = room + 4 * D;
    T* const pn = room + 5 * D;
#pragma omp simd
    for (int64_t i = 0; i < D; ++i) {
      ap[i] = a[i] - p[i] + eps;
      an[i] = a[i] - n[i] + eps;
    }
    const Norm<T> near = norm(ap, D);
    Norm<T> far = norm(an, D);
    bool swapped = false;
    if (call.swap) {
#pragma omp simd
      for (int64_t i = 0; i < D; ++i) pn[i] = p[i] - n[i] + eps;
      const Norm<T> between = norm(pn, D);
      swapped = between.length() < far.length();
      if (swapped || between.root != between.root) far = between;
    }
    const T lead = near.length() - far.length() + margin;
    const bool active = !(lead < 0);
    const T k = active ? slope : T(0);
    const T kn = k * near.slope(), kf = k * far.slope();
    const T* const away = swapped ? pn : an;
    for (int which = 0; which < 3; ++which) {
      if (!call.gradient[which]) continue;
      // d lead / d (a, p, n): of the near distance (1, -1, 0), of the far one (1, 0, -1), swapped (0, 1, -1).
      const T sn = which == 0 ? kn : which == 1 ? -kn : T(0);
      const T sf = which == 2 ? kf : which == (swapped ? 1 : 0) ? -kf : T(0);
      S* const g = static_cast<S*>(call.gradient[which]) + r * D;
#pragma omp simd
      for (int64_t i = 0; i < D; ++i) g[i] = narrow(times(sn, ap[i]) + times(sf, away[i]), S{});
    }
    return lead < 0 ? T(0) : lead;
  }
};

template <class S>
void pairs(const Pairs& call, int64_t begin, int64_t end, char* scratch) {
  const PairKernel<S> kernel(call, scratch);
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t first = unit * call.rows_of_unit;
    const int64_t last = first + call.rows_of_unit < call.rows ? first + call.rows_of_unit : call.rows;
    double total = 0;
    for (int64_t r = first; r < last; ++r) total += kernel.row(r);
    call.sums[unit] = total;
  }
}

}  // namespace
