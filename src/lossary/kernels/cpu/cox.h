// Cox's partial likelihood (Cox, 1972), with ties by Breslow and Efron: value and gradient of a batch.
//
// Shapes: input, gradient, events, row weights, values (N); places (N), the rows in order of time.
//
// 1. From the last place to the first: the hazards of all that are at risk, and at each time with events their losses.
// 2. From the first to the last: what events so far, one over those at risk, take of each row that was still there.
// Hazards are scaled_double.h's, so that rows which have left count nothing, however large they were. Sums keep the larger
// exponent of their terms and need no normalising: of N terms the mantissa is at most 2 N.
#pragma once

#include "scaled_double.h"
#include "units.h"

namespace {

using lossary::Cox;

// Of a place in order of time, below its row.
constexpr int64_t NEW_TIME = 1, NEW_STRATUM = 2, NEGATIVE = 4, UNKNOWN_TIME = 8, FLAGS = 16;
// What becomes of it, in place of the last two: rows are read once, since they lie far apart.
constexpr uint8_t IN_BATCH = 4, DIES = 8;

INLINED double to_double(ScaledDouble x) { return x.mantissa * power_of_2(x.exponent > 1023.0 ? 1023.0 : x.exponent); }

INLINED ScaledDouble over(ScaledDouble a, ScaledDouble b) { return {a.mantissa / b.mantissa, a.exponent - b.exponent}; }

// Below the exponents that scaled_exp has for infinities, of which sums keep the larger.
constexpr ScaledDouble NO_HAZARD = {0.0, -1e303};

// The events at one time. less, of_others, of_themselves: of Efron's denominators R - l/m D the mean of log(1 - l/m D/R),
// and what their derivatives are multiplied by, for all at risk and for the events themselves.
struct Tied {
  double events = 0, less = 0, of_others = 1, of_themselves = 0;
};

inline Tied tied(int64_t events, double share, bool efron) {
  Tied found;
  found.events = static_cast<double>(events);
  if (!efron || events < 2) return found;
  found.of_others = 0;
  for (int64_t l = 0; l < events; ++l) {
    const double part = static_cast<double>(l) / found.events, rest = 1 - part * share;
    found.less += std::log1p(-part * share);
    found.of_others += 1 / rest;
    found.of_themselves += part / rest;
  }
  found.less /= found.events;
  found.of_others /= found.events;
  found.of_themselves /= found.events;
  return found;
}

template <class S>
struct CoxKernel {
  using T = typename Compute<S>::type;

  const Cox& call;
  const int64_t N = call.rows;
  const S* const x = static_cast<const S*>(call.input);
  const T* const event = static_cast<const T*>(call.events);
  const T* const member = static_cast<const T*>(call.members);
  const T* const weight = static_cast<const T*>(call.row_weight);

  // Of each place: its hazard; and, at the first of a time with events, what they take of all at risk, and of themselves.
  double* const room;
  double* const mantissa = room;
  double* const exponent = mantissa + N;
  double* const taken = exponent + N;
  double* const taken_exponent = taken + N;
  double* const given = taken_exponent + N;
  uint8_t* const state = reinterpret_cast<uint8_t*>(given + N);

  static size_t scratch(const Cox& call) { return (sizeof(double) * 5 + 1) * call.rows; }

  CoxKernel(const Cox& c, char* scratch) : call(c), room(reinterpret_cast<double*>(scratch)) {}

  int64_t row(int64_t place) const { return call.places[place] / FLAGS; }
  bool is(int64_t flag, int64_t place) const { return state[place] & flag; }
  double weight_of(int64_t place) const { return weight ? static_cast<double>(weight[row(place)]) : 1.0; }
  ScaledDouble hazard(int64_t place) const { return {mantissa[place], exponent[place]}; }

  // Also whether all that may be seen lies in its domain.
  bool load() const {
    bool outside = false;
    for (int64_t i = 0; i < N; ++i) {
      const int64_t place = call.places[i], r = place / FLAGS;
      const bool counts = !member || member[r] != 0;
      const T died = event[r];
      const double log_hazard = static_cast<double>(widen(x[r]));
      outside |= counts & (((place & NEGATIVE) != 0) | ((died != 0) & (died != 1) & (died == died)));
      mantissa[i] = counts ? (place & UNKNOWN_TIME) || died != died ? nan<double> : log_hazard : -infinity<double>;
      state[i] = (place & (NEW_TIME | NEW_STRATUM)) | (counts ? IN_BATCH | (died != 0 ? DIES : 0) : 0);
    }
#pragma omp simd
    for (int64_t i = 0; i < N; ++i) {
      const ScaledDouble e = scaled_exp(mantissa[i]);
      mantissa[i] = e.mantissa;
      exponent[i] = e.exponent;
    }
    return !outside;
  }

  double value() const {
    if (!load()) {
      call.outside->store(true);
      return 0;
    }
    ScaledDouble at_risk = NO_HAZARD, dying = NO_HAZARD;
    double total = 0;
    int64_t events = 0;
    for (int64_t i = N - 1, last = i; i >= 0; --i) {
      if (is(IN_BATCH, i)) at_risk = sum(at_risk, hazard(i));
      if (is(DIES, i)) {
        dying = sum(dying, hazard(i));
        ++events;
      }
      if (!is(NEW_TIME, i)) continue;
      total += at_one_time(i, last, at_risk, dying, events);
      dying = NO_HAZARD;
      events = 0;
      last = i - 1;
      if (is(NEW_STRATUM, i)) at_risk = NO_HAZARD;
    }
    if (call.gradients[0]) write_gradient();
    return total;
  }

  double at_one_time(int64_t first, int64_t last, ScaledDouble at_risk, ScaledDouble dying, int64_t events) const {
    const double share = events > 1 && call.efron ? to_double(over(dying, at_risk)) : 0.0;
    const Tied here = tied(events, share, call.efron);
    double total = 0, weights = 0;
    for (int64_t i = first; i <= last; ++i) {
      double loss = 0;
      if (is(DIES, i)) {
        const double w = weight_of(i);
        loss = w == 0 ? 0.0 : w * (log_of(over(at_risk, hazard(i))) + here.less);
        weights += w;
      }
      if (call.values) static_cast<T*>(call.values)[row(i)] = static_cast<T>(loss);
      total += loss;
    }
    const ScaledDouble per_risk = over({1.0, 0.0}, at_risk);
    taken[first] = events ? weights * here.of_others * per_risk.mantissa : 0.0;
    taken_exponent[first] = events ? per_risk.exponent : NO_HAZARD.exponent;
    given[first] = events ? weights * here.of_themselves * per_risk.mantissa : 0.0;
    return total;
  }

  // Of what is at least 1.
  static double log_of(ScaledDouble x) { return x.mantissa == x.mantissa ? scaled_log(normalised(x)) : nan<double>; }

  void write_gradient() const {
    ScaledDouble all = NO_HAZARD, here = NO_HAZARD;
    S* const g = static_cast<S*>(call.gradients[0]);
    for (int64_t i = 0; i < N; ++i) {
      if (is(NEW_STRATUM, i)) all = NO_HAZARD;
      if (is(NEW_TIME, i)) {
        all = sum(all, {taken[i], taken_exponent[i]});
        here = {given[i], taken_exponent[i]};
      }
      double slope = 0;
      if (is(IN_BATCH, i)) {
        slope = to_double(hazard(i) * all);
        if (is(DIES, i)) slope -= to_double(hazard(i) * here) + weight_of(i);
      }
      g[row(i)] = narrow(static_cast<T>(slope * call.scale), S{});
    }
  }
};

template <class S>
void cox(const Cox& call, int64_t begin, int64_t end, char* scratch) {
  for (int64_t unit = begin; unit < end; ++unit) call.sums[unit] = CoxKernel<S>(call, scratch).value();
}

inline size_t cox_scratch(const Cox& call) { return CoxKernel<double>::scratch(call); }

}  // namespace
