// Connectionist temporal classification (Graves et al., 2006): value and gradient of one sample after another.
//
// Shapes: input, gradient (T, N, C), time or batch first in memory; labels (S) of each sample; lengths, row weights,
// values (N).
//
// Of S labels there are S + 1 blanks: blank i follows label i, label 0 does not exist.
// 1. The forward variables (alpha) of every frame are kept. Of logits the softmax is taken on the way.
// 2. The backward variables (beta) meet them: the posterior of a class in a frame is its states' part of all paths.
// 3. The gradient of a frame, softmax less posterior, is written once, from a second softmax: nothing else of the size
//    of the logits is kept.
// Probabilities are scaled_double.h's: no digits are lost, whatever the data.
#pragma once

#include <algorithm>
#include <numeric>

#include "scaled_double.h"
#include "softmax.h"

namespace {

using lossary::Ctc;

// Loops over states take whole vectors: S + 1 is padded to a multiple of it, with labels of no probability.
constexpr int64_t STATES = 8;

inline int64_t rounded_up(int64_t states) { return (states + STATES - 1) / STATES * STATES; }

// The states of a frame: blanks 0 to S, and labels 0 (never reached) to S. Before and after them is nothing.
struct States {
  double* at;
  int64_t width;

  ALWAYS_INLINE ScaledDouble blank(int64_t i) const { return {at[i], at[width + i]}; }
  ALWAYS_INLINE ScaledDouble label(int64_t i) const { return {at[2 * width + i], at[3 * width + i]}; }
  ALWAYS_INLINE void set_blank(int64_t i, ScaledDouble x) const {
    at[i] = x.mantissa;
    at[width + i] = x.exponent;
  }
  ALWAYS_INLINE void set_label(int64_t i, ScaledDouble x) const {
    at[2 * width + i] = x.mantissa;
    at[3 * width + i] = x.exponent;
  }
  void clear(int64_t n) const {
    for (int64_t i = -1; i <= n; ++i) {
      set_blank(i, NOTHING);
      set_label(i, NOTHING);
    }
  }
};

// A label is reached from itself, from the blank before it, and, if it differs, from the label before it: `skip` is 0
// there, else -HUGE_EXPONENT. Probabilities of a frame: of the blank at 0, of label i at i.
void go_forward(States from, States to, double* p_m, double* p_e, double* skip, int64_t states) {
  to.set_blank(-1, NOTHING);
  to.set_label(-1, NOTHING);
#pragma omp simd
  for (int64_t i = 0; i < states; ++i) {
    to.set_blank(i, normalised(times(sum(from.blank(i), from.label(i)), p_m[0], p_e[0])));
    to.set_label(i, normalised(times(sum(from.label(i), from.blank(i - 1), times(from.label(i - 1), 1.0, skip[i])),
                                     p_m[i], p_e[i])));
  }
}

// Meets the paths to a frame, `before`, and those from it, `after`, given one over all: the posterior of each label,
// and that of the blank, which it answers. `after` becomes what the frame before will see.
double meet(States before, States after, ScaledDouble per_all, const double* p_m, const double* p_e, double* posterior,
            int64_t states) {
  double blanks = 0;
#pragma omp simd reduction(+ : blanks)
  for (int64_t i = 0; i < states; ++i) {
    blanks += part(before.blank(i) * after.blank(i) * per_all);
    posterior[i] = part(before.label(i) * after.label(i) * per_all);
    after.set_blank(i, times(after.blank(i), p_m[0], p_e[0]));
    after.set_label(i, times(after.label(i), p_m[i], p_e[i]));
  }
  return blanks;
}

void go_backward(States from, States to, double* skip, int64_t states) {
#pragma omp simd
  for (int64_t i = 0; i < states; ++i) {
    to.set_blank(i, normalised(sum(from.blank(i), from.label(i + 1))));
    to.set_label(i, normalised(sum(from.label(i), from.blank(i), times(from.label(i + 1), 1.0, skip[i + 1]))));
  }
}

// Keeps what additions round away (Knuth, The Art of Computer Programming 2, sec. 4.2.2).
struct ExactSum {
  double sum = 0, lost = 0;

  void add(double x) {
    const double before = sum, added = (sum = before + x) - before;
    lost += (before - (sum - added)) + (x - added);
  }
  double value() const { return sum + lost; }
};

// Below this loss digits are lost in the sum of all alignments, which is nearly 1: about as many in the rounding of a
// softmax's sum as storage has.
constexpr double NEAR = 0.01;

template <class S>
struct CtcKernel {
  using T = typename Compute<S>::type;

  const Ctc& call;
  const int64_t C = call.classes, width = width_of(call);
  char* room;

  template <class X>
  X* take(int64_t n) {
    X* const here = reinterpret_cast<X*>(room);
    room += (n * sizeof(X) + 63) / 64 * 64;
    return here;
  }

  // A thread's scratch: of a frame, of a sample, and of all frames of a sample, at the end.
  CtcKernel(const Ctc& c, char* scratch) : call(c), room(scratch) {}
  double* const skip = take<double>(width);
  double* const posterior = take<double>(width);
  double* const of_class = take<double>(width);
  double* const after = take<double>(8 * width + STATES) + STATES;
  int64_t* const order = take<int64_t>(width);
  int64_t* const place = take<int64_t>(width);  // of a state among the classes that occur; the blank is 0
  int64_t* const occurring = take<int64_t>(width);  // these classes, and the first state of each
  int64_t* const first = take<int64_t>(width);
  T* const row_room = take<T>(sizeof(S) < sizeof(T) ? C : 0);
  T* const tile = take<T>(TILE);  // of a gradient, as numbers that can be computed with
  Softmax* const softmax = take<Softmax>(call.most_frames + 1);
  double* const probability = take<double>((call.gradients[0] ? call.most_frames : 2) * 2 * width);
  double* const before = take<double>((call.gradients[0] ? call.most_frames + 1 : 2) * 4 * width + STATES) + STATES;

  // With room between, for the nothing before and after.
  static int64_t width_of(const Ctc& call) { return rounded_up(call.most_labels + 1) + STATES; }

  static size_t scratch(const Ctc& call) {
    const int64_t width = width_of(call), frames = call.most_frames + 1;
    const int64_t of_frames = (call.gradients[0] ? 6 * frames : 12) * width + 4 * frames;
    return sizeof(double) * (15 * width + 2 * STATES + TILE + call.classes + of_frames) + 13 * 64;
  }

  int64_t offset(int64_t t, int64_t n) const { return t * call.time_stride + n * call.batch_stride; }
  const S* row_of(int64_t t, int64_t n) const { return static_cast<const S*>(call.input) + offset(t, n); }
  S* gradient_of(int64_t t, int64_t n) const { return static_cast<S*>(call.gradients[0]) + offset(t, n); }
  States states(int64_t t) const { return {before + (call.gradients[0] ? t : t & 1) * 4 * width, width}; }
  double* probabilities(int64_t t) const { return probability + (call.gradients[0] ? t : t & 1) * 2 * width; }

  void zero(int64_t from, int64_t n) const {
    for (int64_t t = from; call.gradients[0] && t < call.time; ++t) std::memset(gradient_of(t, n), 0, C * sizeof(S));
  }

  double sample(int64_t n) const {
    const double weight = call.row_weight ? static_cast<double>(static_cast<const T*>(call.row_weight)[n]) : 1.0;
    double value = 0;
    if (weight == 0) {
      zero(0, n);
    } else {
      value = weight * loss(n, weight * call.scale);
    }
    if (call.values) static_cast<T*>(call.values)[n] = static_cast<T>(value);
    return value;
  }

  double loss(int64_t n, double slope) const {
    const int64_t labels = call.lengths[n], frames = call.frames[n], all_states = rounded_up(labels + 1);
    const int64_t* const label = call.labels + call.begin[n];  // the state of label[i - 1] is i
    const double share = call.mean ? 1 / static_cast<double>(labels ? labels : 1) : 1.0;
    std::fill(skip, skip + all_states + 1, -HUGE_EXPONENT);
    for (int64_t i = 2; i <= labels; ++i) skip[i] = label[i - 1] != label[i - 2] ? 0.0 : -HUGE_EXPONENT;

    double strange = 0;
    states(0).clear(all_states);
    states(0).set_blank(0, CERTAIN);
    if (frames) load(0, n, label, labels);
    for (int64_t t = 0; t < frames; ++t) {
      if (t + 1 < frames) load(t + 1, n, label, labels);  // a frame ahead: vector loads of scalar stores stall
      double* const p = probabilities(t);
      strange += exponentiate(t, p, p + width, all_states);
      go_forward(states(t), states(t + 1), p, p + width, skip, all_states);
    }
    const States last = states(frames);
    ScaledDouble all = normalised(sum(last.blank(labels), last.label(labels)));
    double value = strange ? nan<double> : -scaled_log(all);
    const bool near = call.from_logits && value < NEAR;
    if (near) {
      value = -std::log1p(-astray(n, label, labels, frames));
      all = normalised(sum(last.blank(labels), last.label(labels)));
    }
    // Nor must the rounding of log-probabilities make a certain alignment cost less than nothing.
    if (value <= 0 && value > -4e-16 * static_cast<double>(frames + 1)) value = 0;
    if (value == infinity<double>) {
      zero(0, n);
      return call.zero_infinity ? 0.0 : value;
    }
    if (call.gradients[0]) {
      const ScaledDouble per_all = {strange ? nan<double> : 1 / all.mantissa, -all.exponent};
      write_gradient(n, label, labels, frames, per_all, slope * share, near);
    }
    return value * share;
  }

  // The logits of the blank and the labels in a frame, and what their probabilities are taken against.
  void load(int64_t t, int64_t n, const int64_t* label, int64_t labels) const {
    gather(t, n, label, labels);
    if (!call.from_logits) return;
    if (t + 1 < call.time) fetch(row_of(t + 1, n), C);  // while the states of this frame are computed
    softmax[t] = softmax_of(read(row_of(t, n), row_room, C), C, S{});
  }

  void gather(int64_t t, int64_t n, const int64_t* label, int64_t labels) const {
    const S* const x = row_of(t, n);
    double* const p = probabilities(t);
    p[0] = static_cast<double>(widen(x[call.blank]));
    for (int64_t i = 1; i <= labels; ++i) p[i] = static_cast<double>(widen(x[label[i - 1]]));
    std::fill(p + labels + 1, p + rounded_up(labels + 1), -HUGE_EXPONENT);
  }

  // The probabilities of a frame from its logits; how many of them are NaN.
  double exponentiate(int64_t t, double* p_m, double* p_e, int64_t all_states) const {
    const double from = call.from_logits ? softmax[t].largest : 0;
    const double less = call.from_logits ? softmax[t].log_sum : 0;
    double strange = 0;
#pragma omp simd reduction(+ : strange)
    for (int64_t i = 0; i < all_states; ++i) {
      const double y = below(p_m[i], from) - less;
      const ScaledDouble p = scaled_exp(y);
      strange += y == y ? 0.0 : 1.0;
      p_m[i] = p.mantissa;
      p_e[i] = p.exponent;
    }
    return strange;
  }

  // The probability of all paths that spell something else, by the frame in which each leaves the alignments: a sum, where
  // 1 less the alignments has lost the digits of what is nearly 0. Makes the states again.
  double astray(int64_t n, const int64_t* label, int64_t labels, int64_t frames) const {
    const int64_t classes = find_classes(label, labels), all_states = rounded_up(labels + 1);
    double total = 0;
    states(0).clear(all_states);
    states(0).set_blank(0, CERTAIN);
    for (int64_t t = 0; t < frames; ++t) {
      double* const p = probabilities(t);
      gather(t, n, label, labels);
      exponentiate(t, p, p + width, all_states);
      total += leaving(t, n, labels, classes);
      go_forward(states(t), states(t + 1), p, p + width, skip, all_states);
    }
    for (int64_t i = 0; i < labels; ++i) total += part(states(frames).blank(i)) + part(states(frames).label(i));
    return total;
  }

  // What leaves the alignments in frame t: from each state, all classes but its own, the next label's and the blank. Before,
  // probabilities of classes that occur are made to add up to 1 with the others.
  double leaving(int64_t t, int64_t n, int64_t labels, int64_t classes) const {
    const double others = softmax[t].others = probability_of_others(t, n, classes);
    ExactSum said;
    for (int64_t k = 0; k < classes; ++k) said.add(probability_of(t, k));
    const double per_all = 1 / (said.value() + others);
    double* const p = probabilities(t);
    for (int64_t i = 0; i <= labels; ++i) p[i] *= per_all;
    said = {};
    for (int64_t k = 0; k < classes; ++k) said.add(of_class[k] = probability_of(t, k));
    double total = 0;
    for (int64_t i = 0; i <= labels; ++i) {
      const int64_t own = place[i], next = i < labels ? place[i + 1] : 0;  // 0 is the blank
      ExactSum left = said;
      left.add(-of_class[0]);
      if (next) left.add(-of_class[next]);
      total += part(states(t).blank(i)) * (others + left.value());
      if (own && own != next) left.add(-of_class[own]);
      total += part(states(t).label(i)) * (others + left.value());
    }
    return total;
  }

  // Of the k-th class that occurs, in frame t.
  double probability_of(int64_t t, int64_t k) const {
    const double* const p = probabilities(t);
    return p[first[k]] * power_of_2(p[width + first[k]]);
  }

  // Of all classes that a sample does not have, in frame t.
  double probability_of_others(int64_t t, int64_t n, int64_t classes) const {
    double total = 0;
    int64_t k = 1;
    for (int64_t begin = 0; begin < C; begin += TILE) {
      const int64_t end = C < begin + TILE ? C : begin + TILE;
      scaled_softmax(row_of(t, n) + begin, tile, end - begin, softmax[t], 1.0);
      if (call.blank >= begin && call.blank < end) tile[call.blank - begin] = 0;
      for (; k < classes && occurring[k] < end; ++k) tile[occurring[k] - begin] = 0;
      total += sum(tile, end - begin);
    }
    return total;
  }

  void write_gradient(int64_t n, const int64_t* label, int64_t labels, int64_t frames, ScaledDouble per_all,
                      double slope, bool near) const {
    const int64_t classes = find_classes(label, labels), all_states = rounded_up(labels + 1);
    States now{after, width}, next{after + 4 * width, width};
    now.clear(all_states);
    next.clear(all_states);
    now.set_blank(labels, CERTAIN);
    if (labels) now.set_label(labels, CERTAIN);
    zero(frames, n);
    for (int64_t t = frames - 1; t >= 0; --t) {
      const double* const p = probabilities(t);
      std::fill(of_class, of_class + classes, 0.0);
      of_class[0] = meet(states(t + 1), now, per_all, p, p + width, posterior, all_states);
      go_backward(now, next, skip, all_states);
      std::swap(now, next);
      for (int64_t i = 1; i <= labels; ++i) of_class[place[i]] += posterior[i];
      if (call.from_logits) {
        for (int64_t k = 0; k < classes; ++k) of_class[k] -= probability_of(t, k);
        if (near) balance(t, classes);
      }
      write_row(t, n, classes, slope);
    }
  }

  // The likeliest class has what is left of the gradient, which adds up to 0 over all classes.
  void balance(int64_t t, int64_t classes) const {
    int64_t most = 0;
    for (int64_t k = 1; k < classes; ++k) {
      if (probability_of(t, k) > probability_of(t, most)) most = k;
    }
    of_class[most] = 0;
    of_class[most] = softmax[t].others - std::accumulate(of_class, of_class + classes, 0.0);
  }

  // Each tile once: the softmax or 0, and in it the classes that occur, which are in order.
  void write_row(int64_t t, int64_t n, int64_t classes, double slope) const {
    int64_t k = 1;
    for (int64_t begin = 0; begin < C; begin += TILE) {
      const int64_t end = C < begin + TILE ? C : begin + TILE;
      S* const g = gradient_of(t, n) + begin;
      const auto into = [&](auto* to) ALWAYS_INLINE {
        const auto put = [&](int64_t c, double posterior) ALWAYS_INLINE {
          to[c - begin] = narrow(static_cast<T>(-posterior * slope), *to);
        };
        if (call.from_logits) {
          scaled_softmax(row_of(t, n) + begin, to, end - begin, softmax[t], slope);
        } else {
          std::memset(to, 0, (end - begin) * sizeof(*to));
        }
        if (call.blank >= begin && call.blank < end) put(call.blank, of_class[0]);
        for (; k < classes && occurring[k] < end; ++k) put(occurring[k], of_class[k]);
      };
      if (call.from_logits) {
        if (end < C) {
          fetch(row_of(t, n) + end, C - end < TILE ? C - end : TILE);
        } else if (t) {
          fetch(row_of(t - 1, n), C < TILE ? C : TILE);
        }
      }
      if (call.non_temporal) {
        into(tile);
        write(tile, g, end - begin, true);
      } else {
        into(g);
      }
    }
  }

  // Labels of one class share a place, so that their posteriors add up before they are rounded.
  int64_t find_classes(const int64_t* label, int64_t labels) const {
    for (int64_t i = 0; i < labels; ++i) order[i] = i;
    std::sort(order, order + labels, [&](int64_t a, int64_t b) { return label[a] < label[b]; });
    int64_t classes = 1;
    first[0] = place[0] = 0;
    for (int64_t k = 0; k < labels; ++k) {
      const int64_t c = label[order[k]];
      if (k == 0 || c != occurring[classes - 1]) {
        first[classes] = order[k] + 1;
        occurring[classes++] = c;
      }
      place[order[k] + 1] = classes - 1;
    }
    return classes;
  }
};

template <class S>
void ctc(const Ctc& call, int64_t begin, int64_t end, char* scratch) {
  const CtcKernel<S> kernel(call, scratch);
  for_rows(call, begin, end, [&](int64_t n) { return kernel.sample(n); });
}

inline size_t ctc_scratch(const Ctc& call) { return CtcKernel<double>::scratch(call); }

}  // namespace
