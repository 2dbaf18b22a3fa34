// Losses of single elements: one functor each, of value and gradient, and the loop that serves them all. A new one is a
// functor here and its line in functions.inc.
//
// Shapes: all flat (n); weights repeat as a cycle, row weights cover `inner` elements each.
#pragma once

#include "elementary_bf16.h"
#include "units.h"

#include <type_traits>

namespace {

using lossary::Elementwise;

// What functors are given: their parameters, and what the numbers are stored in, which decides how exact they need be.
template <class S, int n>
struct Options {
  using T = typename Compute<S>::type;

  T parameters[n ? n : 1];
  static constexpr S storage{};
};

// A value and its derivatives with respect to input x and the third argument u.
template <class T>
struct Element {
  T value, dx, du;
  T excess = 0;  // positive outside the documented domain
};

template <class T>
INLINED T sign(T x) {
  return x > 0 ? T(1) : x < 0 ? T(-1) : x;
}

struct L1 {
  template <class O, class T>
  INLINED static Element<T> at(const O&, T x, T t) {
    const T error = x - t;
    return {std::fabs(error), sign(error), T(0)};
  }
};

struct MSE {
  template <class O, class T>
  INLINED static Element<T> at(const O&, T x, T t) {
    const T error = x - t;
    return {error * error, T(2) * error, T(0)};
  }
};

struct SmoothL1 {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    const auto& [beta] = o.parameters;
    const T error = x - t, size = std::fabs(error), slope = error / beta;
    const bool small = size < beta;
    return {small ? T(0.5) * error * slope : size - T(0.5) * beta, small ? slope : sign(error), T(0)};
  }
};

struct Huber {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    const auto& [delta] = o.parameters;
    const T error = x - t, size = std::fabs(error);
    const bool small = size <= delta;
    return {small ? T(0.5) * error * error : delta * (size - T(0.5) * delta), small ? error : delta * sign(error), T(0),
            false};
  }
};

struct LogCosh {
  template <class O, class T>
  INLINED static Element<T> at(const O&, T x, T t) {
    const T error = x - t, size = std::fabs(error), m = expm1_of_nonpositive(T(-2) * size), e = T(1) + m;
    const T near = log_cosh_of_small(error, m);
    const T far = (size - T(0.69314718055994531)) + log1p_of_unit(e, e / (T(2) + e));
    return {size < T(0.75) ? near : far, std::copysign(m / (T(2) + m), error), T(0)};
  }
};

// Logarithms end at -100, as torch's; the derivatives are those of the clamped ones.
struct BinaryCrossEntropy {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T p, T t) {
    const bool low = p <= T(3.720075976020836e-44), high = p == T(1);
    const T rest = T(1) - p, over_p = T(1) / p, over_rest = T(1) / rest, other = T(1) - t;
    const T plain = log_of_positive(p, o.storage), lost = (T(1) - rest) - p;  // what rounding took of 1 - p
    const T log_p = low ? T(-100) : plain, log_1mp = high ? T(-100) : log_of_normal(rest, o.storage) + lost * over_rest;
    return {-(t * log_p + other * log_1mp), other * (high ? T(0) : over_rest) - t * (low ? T(0) : over_p), T(0),
            larger(excess_of_probability(p, T(0)), excess_of_probability(t))};
  }
};

// u: the weight of positive targets.
struct BinaryCrossEntropyWithLogits {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t, T u = T(1)) {
    const T positive = u * t, negative = T(1) - t;
    const Logistic<T> l = logistic(x, o.storage);
    return {l.cost(positive, negative), negative * l.p() - positive * l.q(), T(0), excess_of_probability(t)};
  }
};

struct PoissonOfLogRates {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    const T rate = exp_(x, o.storage);
    return {rate - times(t, x == infinity<T> ? T(0) : x), rate - t, T(0)};
  }
};

struct PoissonOfRates {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    const auto& [eps] = o.parameters;
    const bool infinite = x == infinity<T>;
    const T rate = (infinite ? T(1) : x) + eps;
    const bool nothing = std::fabs(rate) + std::fabs(t) == 0;
    const T log_rate = log_(nothing ? T(1) : rate), slope = t / (nothing ? T(1) : rate);
    return {x - times(t, log_rate), T(1) - (infinite ? T(0) : slope), T(0), -x};
  }
};

// u: the variance.
struct Gaussian {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t, T u) {
    const auto& [eps, constant] = o.parameters;
    const T error = x - t, raised = u < eps ? eps : u;
    const bool degenerate = raised == 0;
    const T v = degenerate ? T(1) : raised, dx = error / v, squares = error * dx;
    const T at_zero = error == 0 ? -infinity<T> : infinity<T>, half = T(0.5) * (log_(v) + squares);
    const T du = T(0.5) * (T(1) - squares) / v;
    return {(degenerate ? at_zero : half) + constant, degenerate ? T(0) : dx,
            u < eps ? T(0) : (degenerate ? T(0) : du), -u};
  }
};

struct SoftMargin {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    const Logistic<T> l = logistic(times(t, x), o.storage);
    return {l.below(), -t * l.q(), T(0)};
  }
};

struct HingeEmbedding {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    const auto& [margin] = o.parameters;
    const T lack = margin - x;
    const bool far = lack <= 0;
    const T apart = far ? T(0) : lack, slope = far ? T(0) : T(1);
    return {(t == -1 ? T(0) : x) + (t == 1 ? T(0) : apart), (t == -1 ? T(0) : T(1)) - (t == 1 ? T(0) : slope), T(0)};
  }
};

struct Hinge {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    const auto& [margin] = o.parameters;
    const T lack = margin - times(t, x);
    const bool enough = lack <= 0;
    return {enough ? T(0) : lack, enough ? T(0) : -t, T(0)};
  }
};

struct SquaredHinge {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    const auto& [margin] = o.parameters;
    const T lack = margin - times(t, x), missing = lack <= 0 ? T(0) : lack;
    return {missing * missing, T(-2) * t * missing, T(0)};
  }
};

// u: the other score.
struct MarginRanking {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t, T u) {
    const auto& [margin] = o.parameters;
    const T lack = margin - times(t, x - u);
    const bool enough = lack <= 0;
    return {enough ? T(0) : lack, enough ? T(0) : -t, enough ? T(0) : t};
  }
};

// (1 - p)^gamma of what a target has not, and its derivative with respect to the logit.
template <class T>
struct Modulation {
  T factor, slope;
};

// alpha: the share of positive targets, or -1.
template <class Power>
struct SigmoidFocalOf {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    const auto& [alpha, gamma] = o.parameters;
    const Logistic<T> l = logistic(x, o.storage);
    const T p = l.p(), q = l.q(), other = T(1) - t;
    const T nll = l.cost(t, other), dnll = other * p - t * q;
    const T rest = t * q + other * p, drest = (T(1) - T(2) * t) * p * q;
    const Modulation<T> m = Power::of(rest, drest, t, l, gamma);
    const T balance = alpha == -1 ? T(1) : alpha * t + (T(1) - alpha) * other;
    const bool infinite = nll == infinity<T>;
    const T value = infinite ? nll : m.factor * nll;
    const T slope = infinite ? dnll : m.factor * dnll + m.slope * nll;
    return {times(balance, value), balance * slope, T(0), excess_of_probability(t)};
  }
};

struct AnyPower {
  template <class T>
  INLINED static Modulation<T> of(T rest, T drest, T t, const Logistic<T>& l, T gamma) {
    const T power = exp_(times(gamma, rest == 0 ? -(l.size + l.tail) : log_(rest)));
    const T relative = rest > 0 ? drest / rest : (t < T(0.5) ? l.q() : -l.p());
    return {power, gamma * power * relative};
  }
};

struct Square {
  template <class T>
  INLINED static Modulation<T> of(T rest, T drest, T, const Logistic<T>&, T) {
    return {rest * rest, T(2) * rest * drest};
  }
};

using SigmoidFocal = SigmoidFocalOf<AnyPower>;
using SigmoidFocalOfSquares = SigmoidFocalOf<Square>;

// Probabilities of negatives lowered by `clip`, q = max(p - clip, 0): -log(1 - q), and its derivative.
template <class T>
struct Lowered {
  T q, cost, slope;
};

template <class S, class T>
INLINED Lowered<T> lowered(const Logistic<T>& l, T clip, S storage) {
  const T above = l.p() - clip, q = above <= 0 ? T(0) : above;
  const bool few = q < T(0.5), unclipped = clip == 0;
  // Of small q the rest is 1 - q with what the rounding takes; of others q would take digits of it.
  const T rest = few ? T(1) - q : l.q() + clip, lost = few ? (T(1) - rest) - q : T(0), over = T(1) / rest;
  const T cost = -lost * over - log_of_normal(rest, storage), slope = select(above <= 0, T(0), l.p() * l.q() * over);
  return {q, select(unclipped, l.above(), cost), select(unclipped, l.p(), slope)};
}

// u: the weight of positive targets. free: 1, or 0 where the powers are constants in the derivative.
template <class Powers>
struct AsymmetricOf {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t, T u = T(1)) {
    const auto& [gamma_pos, gamma_neg, clip, free] = o.parameters;
    const Logistic<T> l = logistic(x, o.storage);
    const Lowered<T> n = lowered(l, clip, o.storage);
    const Modulation<T> of_1 = Powers::of_positive(l, gamma_pos, o.storage);
    const Modulation<T> of_0 = Powers::of_negative(l, n.q, clip, gamma_neg, o.storage);
    const Element<T> found = modulated(l.below(), -l.q(), of_1, free), missed = modulated(n.cost, n.slope, of_0, free);
    const T positive = u * t, negative = T(1) - t;
    return {times(positive, found.value) + times(negative, missed.value), positive * found.dx + negative * missed.dx,
            T(0), excess_of_probability(t)};
  }

  template <class T>
  INLINED static Element<T> modulated(T cost, T slope, const Modulation<T>& by, T free) {
    const bool infinite = cost == infinity<T>;
    return {select(infinite, cost, by.factor * cost),
            select(infinite, slope, by.factor * slope + free * by.slope * cost), T(0)};
  }
};

struct AnyPowers {
  template <class S, class T>
  INLINED static Modulation<T> of_positive(const Logistic<T>& l, T gamma, S storage) {
    const T power = exp_(times(gamma, -l.above()), storage);
    return {power, -gamma * power * l.p()};
  }
  template <class S, class T>
  INLINED static Modulation<T> of_negative(const Logistic<T>& l, T q, T clip, T gamma, S storage) {
    const bool none = q == 0, unclipped = clip == 0;
    const T some = select(none, T(1), q), log_q = select(unclipped, -l.below(), log_of_positive(some, storage));
    const T power = exp_(times(gamma, log_q), storage), relative = select(none, T(0), l.p() * l.q() / some);
    return {power, gamma * power * select(unclipped, l.q(), relative)};
  }
};

// Of powers 0 or 1 of positives, and 4 of negatives.
struct Fourths {
  template <class S, class T>
  INLINED static Modulation<T> of_positive(const Logistic<T>& l, T gamma, S) {
    return {select(gamma == 0, T(1), l.q()), -gamma * l.p() * l.q()};
  }
  template <class S, class T>
  INLINED static Modulation<T> of_negative(const Logistic<T>& l, T q, T, T, S) {
    const T square = q * q;
    return {square * square, T(4) * square * q * (l.p() * l.q())};
  }
};

using Asymmetric = AsymmetricOf<AnyPowers>;
using AsymmetricOfFourths = AsymmetricOf<Fourths>;

struct KLDiv {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    return {t * log_of_positive(t == 0 ? T(1) : t, o.storage) - times(t, x), -t, T(0), excess_of_probability(t)};
  }
};

struct KLDivOfLogTargets {
  template <class O, class T>
  INLINED static Element<T> at(const O&, T x, T t) {
    const T p = exp_(t), log_p = p == 0 ? T(0) : t;
    const T finite = std::fabs(x) == infinity<T> ? T(0) : x, ratio = log_p - (p == 0 ? finite : x);
    return {p * ratio, -p, T(0)};
  }
};

// Slopes of its own to each side of 0, where it rests.
struct Quantile {
  template <class O, class T>
  INLINED static Element<T> at(const O& o, T x, T t) {
    const auto& [below, above] = o.parameters;
    const T error = x - t, slope = error > 0 ? above : below;
    return {slope * std::fabs(error), slope * sign(error), T(0)};
  }
};

// Of a call of few elements the scratch is small too.
INLINED int64_t stride_of(const Elementwise& call) {
  return call.rows < call.block ? (call.rows + 31) / 32 * 32 : call.block;
}

// Element i takes weights[i % period].
template <class T>
INLINED const T* cyclic(const T* weights, int64_t period, int64_t begin, int64_t n, T* room) {
  int64_t at = begin % period;
  if (at + n <= period) return weights + at;
  for (int64_t filled = 0; filled < n; at = 0) {
    const int64_t run = period - at < n - filled ? period - at : n - filled;
    std::memcpy(room + filled, weights + at, run * sizeof(T));
    filled += run;
  }
  return room;
}

// Element i takes weights[i / inner].
template <class T>
INLINED const T* leading(const T* weights, int64_t inner, int64_t begin, int64_t n, T* room) {
  if (inner == 1) return weights + begin;
  int64_t row = begin / inner;
  for (int64_t i = 0; i < n; ++row) {
    const int64_t end = (row + 1) * inner - begin < n ? (row + 1) * inner - begin : n;
    for (; i < end; ++i) room[i] = weights[row];
  }
  return room;
}

template <class T>
INLINED const T* ones(T* room, int64_t n) {
  for (int64_t i = 0; i < n; ++i) room[i] = T(1);
  return room;
}

template <class F, class O>
concept OfTwo = requires(O o, typename O::T x) { F::at(o, x, x); };
template <class F, class O>
concept OfThree = requires(O o, typename O::T x) { F::at(o, x, x, x); };

// Half precision is widened and narrowed in the loop itself: numbers never leave the registers.
template <class F, int count, class S>
double elementwise_block(const Elementwise& call, int64_t begin, int64_t n, char* scratch) {
  using T = typename Compute<S>::type;
  const int64_t stride = stride_of(call);
  T* const values = reinterpret_cast<T*>(scratch);
  T* const rooms = values + stride;
  const S* const x = static_cast<const S*>(call.input) + begin;
  const S* const t = static_cast<const S*>(call.target) + begin;
  const T* const u = !call.third        ? nullptr
                     : call.third_cycle ? cyclic(static_cast<const T*>(call.third), call.third_cycle, begin, n, rooms)
                                        : read(static_cast<const S*>(call.third) + begin, rooms, n);
  const auto gradient = [&](int i) {
    void* const g = call.gradients[i];
    return g ? static_cast<S*>(g) + begin : reinterpret_cast<S*>(rooms + (i + 1) * stride);
  };
  S *const dx = gradient(0), *const du = gradient(1);
  Options<S, count> options{};
  for (int i = 0; i < count; ++i) options.parameters[i] = static_cast<T>(call.parameters[i]);
  const T scale = static_cast<T>(call.scale);
  T excess = 0;

  const auto plain = [&](auto at) {
#pragma omp simd reduction(max : excess)
    for (int64_t i = 0; i < n; ++i) {
      const Element<T> e = at(i);
      values[i] = e.value;
      excess = larger(excess, e.excess);
    }
  };
  const auto with_gradient = [&](auto at, auto has_du) {
#pragma omp simd reduction(max : excess)
    for (int64_t i = 0; i < n; ++i) {
      const Element<T> e = at(i);
      values[i] = e.value;
      dx[i] = narrow(e.dx * scale, S{});
      if constexpr (has_du) du[i] = narrow(e.du * scale, S{});
      excess = larger(excess, e.excess);
    }
  };
  const auto weighted = [&](auto at, auto has_du) {
    T* const w_room = rooms + 3 * stride;
    T* const r_room = rooms + 4 * stride;
    const T* const w =
        call.weight ? cyclic(static_cast<const T*>(call.weight), call.weight_cycle, begin, n, w_room) : ones(w_room, n);
    const T* const row = call.row_weight
                             ? leading(static_cast<const T*>(call.row_weight), call.inner, begin, n, r_room)
                             : ones(r_room, n);
#pragma omp simd reduction(max : excess)
    for (int64_t i = 0; i < n; ++i) {
      const Element<T> e = at(i);
      const T value = row[i] * times(w[i], e.value), x_slope = row[i] * times(w[i], e.dx) * scale;
      values[i] = row[i] == 0 ? T(0) : value;
      dx[i] = narrow(row[i] == 0 ? T(0) : x_slope, S{});
      if constexpr (has_du) {
        const T u_slope = row[i] * times(w[i], e.du) * scale;
        du[i] = narrow(row[i] == 0 ? T(0) : u_slope, S{});
      }
      excess = larger(excess, row[i] == 0 ? T(0) : e.excess);
    }
  };
  const auto loop = [&](auto at, auto has_du) {
    if (call.weight || call.row_weight) {
      weighted(at, has_du);
    } else if (call.gradients[0] || call.gradients[1]) {
      with_gradient(at, has_du);
    } else {
      plain(at);
    }
  };
  if constexpr (OfThree<F, Options<S, count>>) {
    const auto at = [&](int64_t i) ALWAYS_INLINE { return F::at(options, widen(x[i]), widen(t[i]), u[i]); };
    if (u) loop(at, std::true_type{});
  }
  if constexpr (OfTwo<F, Options<S, count>>) {
    const auto at = [&](int64_t i) ALWAYS_INLINE { return F::at(options, widen(x[i]), widen(t[i])); };
    if (!u) loop(at, std::false_type{});
  }
  if (call.values) std::memcpy(static_cast<T*>(call.values) + begin, values, n * sizeof(T));
  const int64_t whole = (n + 31) / 32 * 32;
  for (int64_t i = n; i < whole; ++i) values[i] = T(0);
  if (excess > 0) call.outside->store(true, std::memory_order_relaxed);
  return sum_of_block(values, whole);
}

template <class F, int count, class S>
void elementwise_of(const Elementwise& call, int64_t begin, int64_t end, char* scratch) {
  for_units(call, call.rows, begin, end,
            [&](int64_t first, int64_t n, int64_t) { return elementwise_block<F, count, S>(call, first, n, scratch); });
}

template <class S>
void elementwise(const Elementwise& call, int64_t begin, int64_t end, char* scratch) {
  using Kernel = void (*)(const Elementwise&, int64_t, int64_t, char*);
  static constexpr Kernel functions[] = {
#define LOSSARY_FUNCTION(name, parameters) elementwise_of<name, parameters, S>,
#include "../functions.inc"
#undef LOSSARY_FUNCTION
  };
  functions[call.function](call, begin, end, scratch);
}

inline size_t elementwise_scratch(const Elementwise& call) { return 6 * stride_of(call) * sizeof(double); }

}  // namespace
