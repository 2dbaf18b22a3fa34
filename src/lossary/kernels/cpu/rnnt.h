// The transducer loss (Graves, 2012): value and gradient of one sample after another.
//
// Shapes: logits, gradient (N, T, S + 1, C); labels (N, S); lengths, row weights, values (N).
//
// A place (t, u) has heard t frames and said u labels. A path leaves it by the blank, to (t + 1, u), or by the next label,
// to (t, u + 1); its end is the blank of the last frame, said after all labels.
// 1. Of each place the softmax, and the paths to it (alpha), are kept: of the logits only what two classes have.
// 2. The paths from each place (beta) meet them, frame by frame from the last, and its gradient is written once, from a
//    second softmax: p of the class times the paths through the place, less those that go on by the class.
// Probabilities are scaled_double.h's: no digits are lost, whatever the data.
#pragma once

#include "scaled_double.h"
#include "softmax.h"

namespace {

using lossary::Rnnt;

// Below this probability of straying, the loss and its gradient are made of what strays, by the place where a path leaves
// all those that say the target: sums of positive terms, where 1 less the paths that do has lost the digits.
constexpr double MOSTLY_ASTRAY = 0.5;

// Probabilities, or paths, of the places of a frame.
struct Places {
  double* mantissa;
  double* exponent;

  ALWAYS_INLINE ScaledDouble at(int64_t u) const { return {mantissa[u], exponent[u]}; }
  ALWAYS_INLINE void set(int64_t u, ScaledDouble x) const {
    mantissa[u] = x.mantissa;
    exponent[u] = x.exponent;
  }
};

template <class S>
struct RnntKernel {
  using T = typename Compute<S>::type;

  const Rnnt& call;
  const int64_t C = call.classes, width = call.most_labels + 1, places = width * call.most_frames;
  char* room;

  template <class X>
  X* take(int64_t n) {
    X* const here = reinterpret_cast<X*>(room);
    room += (n * sizeof(X) + 63) / 64 * 64;
    return here;
  }

  // A thread's scratch: of a row, of a frame, and of all places of a sample.
  RnntKernel(const Rnnt& c, char* scratch) : call(c), room(scratch) {}
  T* const row_room = take<T>(C);
  T* const tile = take<T>(TILE);  // of a gradient, as numbers that can be computed with
  double* const after = take<double>(2 * width);
  double* const failing = take<double>(width);
  double* const kept = take<double>(9 * places);

  static size_t scratch(const Rnnt& call) {
    const int64_t width = call.most_labels + 1;
    return sizeof(double) * (call.classes + TILE + 3 * width + 9 * width * call.most_frames) + 5 * 64;
  }

  int64_t place(int64_t t, int64_t n) const { return (n * call.time + t) * call.places; }
  const S* row_of(int64_t t, int64_t u, int64_t n) const { return static_cast<const S*>(call.input) + (place(t, n) + u) * C; }
  S* gradient_of(int64_t t, int64_t u, int64_t n) const { return static_cast<S*>(call.gradients[0]) + (place(t, n) + u) * C; }
  double* of_frame(int64_t what, int64_t t) const { return kept + what * places + t * width; }
  Places alpha(int64_t t) const { return {of_frame(0, t), of_frame(1, t)}; }
  Places blank(int64_t t) const { return {of_frame(2, t), of_frame(3, t)}; }
  Places label(int64_t t) const { return {of_frame(4, t), of_frame(5, t)}; }
  double* largest(int64_t t) const { return of_frame(6, t); }  // logit of a place
  double* total(int64_t t) const { return of_frame(7, t); }    // of exponentials against it
  double* others(int64_t t) const { return of_frame(8, t); }   // probability of all classes but these two

  void zero(int64_t t, int64_t u, int64_t end, int64_t n) const {
    if (call.gradients[0] && u < end) std::memset(gradient_of(t, u, n), 0, (end - u) * C * sizeof(S));
  }
  void zero(int64_t n) const {
    for (int64_t t = 0; t < call.time; ++t) zero(t, 0, call.places, n);
  }

  double sample(int64_t n) const {
    const double weight = call.row_weight ? static_cast<double>(static_cast<const T*>(call.row_weight)[n]) : 1.0;
    double value = 0;
    if (weight == 0) {
      zero(n);
    } else {
      value = weight * loss(n, weight * call.scale);
    }
    if (call.values) static_cast<T*>(call.values)[n] = static_cast<T>(value);
    return value;
  }

  double loss(int64_t n, double slope) const {
    const int64_t frames = call.frames[n], labels = call.lengths[n];
    const int64_t* const said = call.labels + n * (call.places - 1);
    ScaledDouble all = NOTHING;
    double astray = 0, strange = 0;
    for (int64_t t = 0; t < frames; ++t) {
      strange += load(t, n, said, labels);
      go_forward(t, labels);
      const bool last = t + 1 == frames;
      for (int64_t u = 0; u <= labels; ++u) {
        const double lost = last && u < labels ? part(blank(t).at(u)) : 0.0;
        astray += part(alpha(t).at(u)) * (others(t)[u] + lost);
      }
      if (last) all = normalised(alpha(t).at(labels) * blank(t).at(labels));
    }
    const bool near = astray < MOSTLY_ASTRAY && frames > 0;
    const double value = strange ? nan<double> : near ? -std::log1p(-astray) : -scaled_log(all);
    if (value == infinity<double>) {
      zero(n);
      return call.zero_infinity ? 0.0 : value;
    }
    if (call.gradients[0]) {
      const ScaledDouble per_all = {strange ? nan<double> : 1 / all.mantissa, -all.exponent};
      write_gradient(n, said, labels, frames, per_all, slope, near);
    }
    return value;
  }

  // The softmax of each place of a frame; how many of them are NaN.
  double load(int64_t t, int64_t n, const int64_t* said, int64_t labels) const {
    const Places p[2] = {blank(t), label(t)};
    for (int64_t u = 0; u <= labels; ++u) {
      const S* const x = row_of(t, u, n);
      const int64_t next = u < labels ? said[u] : -1;
      const T of_blank = widen(x[call.blank]), of_label = next < 0 ? -infinity<T> : widen(x[next]);
      widen_all(x, row_room, C);
      row_room[call.blank] = -infinity<T>;
      if (next >= 0) row_room[next] = -infinity<T>;
      const T other = maximum(row_room, C), said_most = of_label > of_blank ? of_label : of_blank;
      const T most = other > said_most ? other : said_most;
      largest(t)[u] = static_cast<double>(most);
      others(t)[u] = sum_of_exponentials(row_room, most);
      p[0].mantissa[u] = static_cast<double>(below(of_blank, most));
      p[1].mantissa[u] = next < 0 ? -HUGE_EXPONENT : static_cast<double>(below(of_label, most));
      if (!(most > -infinity<T>)) p[0].mantissa[u] = nan<double>;
    }
    return exponentiate(t, labels + 1);
  }

  double sum_of_exponentials(const T* x, T most) const {
    double total = 0;
    for (int64_t begin = 0; begin < C; begin += TILE) {
      const T* const z = x + begin;
      Accumulators<T> s(0);
      for_lanes<T>(C - begin < TILE ? C - begin : TILE, [&](int64_t i, int64_t lane) ALWAYS_INLINE {
        s.at[lane] += exp_of_row(below(z[i], most), S{});
      });
      total += static_cast<double>(s.total());
    }
    return total;
  }

  double exponentiate(int64_t t, int64_t n) const {
    double* const b_m = blank(t).mantissa;
    double* const b_e = blank(t).exponent;
    double* const l_m = label(t).mantissa;
    double* const l_e = label(t).exponent;
    double* const sums = total(t);
    double* const rest = others(t);
    double strange = 0;
#pragma omp simd reduction(+ : strange)
    for (int64_t u = 0; u < n; ++u) {
      const ScaledDouble b = scaled_exp(b_m[u]), l = scaled_exp(l_m[u]);
      const double all = rest[u] + (b.mantissa * power_of_2(b.exponent) + l.mantissa * power_of_2(l.exponent));
      strange += (all + b_m[u]) + l_m[u] == (all + b_m[u]) + l_m[u] ? 0.0 : 1.0;
      const ScaledDouble p = normalised(b.mantissa / all, b.exponent), q = normalised(l.mantissa / all, l.exponent);
      b_m[u] = p.mantissa;
      b_e[u] = p.exponent;
      l_m[u] = q.mantissa;
      l_e[u] = q.exponent;
      sums[u] = all;
      rest[u] /= all;
    }
    return strange;
  }

  void go_forward(int64_t t, int64_t labels) const {
    for (int64_t u = 0; u <= labels; ++u) {
      const ScaledDouble heard = t ? alpha(t - 1).at(u) * blank(t - 1).at(u) : u ? NOTHING : CERTAIN;
      const ScaledDouble spoken = u ? alpha(t).at(u - 1) * label(t).at(u - 1) : NOTHING;
      alpha(t).set(u, normalised(sum(heard, spoken)));
    }
  }

  void write_gradient(int64_t n, const int64_t* said, int64_t labels, int64_t frames, ScaledDouble per_all, double slope,
                      bool near) const {
    const Places beta{after, after + width};  // of the frame after, then of this one
    for (int64_t u = 0; u <= labels; ++u) {
      beta.set(u, u == labels ? CERTAIN : NOTHING);
      failing[u] = u == labels ? 0.0 : 1.0;
    }
    for (int64_t t = frames; t < call.time; ++t) zero(t, 0, call.places, n);
    for (int64_t t = frames - 1; t >= 0; --t) {
      zero(t, labels + 1, call.places, n);
      for (int64_t u = labels; u >= 0; --u) {
        const bool ends = u == labels;
        const ScaledDouble on_blank = blank(t).at(u) * beta.at(u);
        const ScaledDouble on_label = ends ? NOTHING : label(t).at(u) * beta.at(u + 1);
        const double p = part(blank(t).at(u)), q = ends ? 0.0 : part(label(t).at(u)), rest = others(t)[u];
        const double fails_on_blank = failing[u], fails_on_label = ends ? 0.0 : failing[u + 1];
        const ScaledDouble to_here = alpha(t).at(u) * per_all;
        beta.set(u, normalised(sum(on_blank, on_label)));
        failing[u] = rest + (p * fails_on_blank + q * fails_on_label);
        const double through = part(to_here * beta.at(u));
        double of_blank = p * through - part(to_here * on_blank), of_label = q * through - part(to_here * on_label);
        if (near) {
          const double heard = part(to_here), gain = fails_on_blank - fails_on_label;
          of_blank = heard * p * (q * gain - rest * (1 - fails_on_blank));
          of_label = heard * q * (p * -gain - rest * (1 - fails_on_label));
        }
        write_row(t, u, n, ends ? -1 : said[u], slope, through, of_blank, of_label);
      }
    }
  }

  // Each tile once: the softmax, and in it the two classes by which paths go on.
  void write_row(int64_t t, int64_t u, int64_t n, int64_t next, double slope, double through, double of_blank,
                 double of_label) const {
    const Softmax row = {largest(t)[u], total(t)[u], 0.0};
    for (int64_t begin = 0; begin < C; begin += TILE) {
      const int64_t end = C < begin + TILE ? C : begin + TILE;
      S* const g = gradient_of(t, u, n) + begin;
      const auto into = [&](auto* to) ALWAYS_INLINE {
        const auto put = [&](int64_t c, double slope_of_class) ALWAYS_INLINE {
          if (c >= begin && c < end) to[c - begin] = narrow(static_cast<T>(slope_of_class * slope), *to);
        };
        scaled_softmax(row_of(t, u, n) + begin, to, end - begin, row, slope * through);
        put(call.blank, of_blank);
        put(next, of_label);
      };
      if (call.non_temporal) {
        into(tile);
        write(tile, g, end - begin, true);
      } else {
        into(g);
      }
    }
  }
};

template <class S>
void rnnt(const Rnnt& call, int64_t begin, int64_t end, char* scratch) {
  const RnntKernel<S> kernel(call, scratch);
  for_rows(call, begin, end, [&](int64_t n) { return kernel.sample(n); });
}

inline size_t rnnt_scratch(const Rnnt& call) { return RnntKernel<double>::scratch(call); }

}  // namespace
