// The operator of losses of overlap: sums over the pixels of each class, the losses that they make, and the gradient.
#include "bind.h"

namespace lossary {
namespace {

// The ratio of a loss and its power: of sums of a class the loss, and its derivatives by p where t is 0 and where it is 1;
// squared: by p as a p + b t.
struct Ratio {
  bool squared;
  double smooth, alpha, beta, gamma;

  struct Value {
    double loss, first, second;
    bool present;
  };

  Value of(const double* sums) const {
    const double numerator = squared ? sums[0] : alpha * sums[1] + beta * sums[2];
    const double rest = squared ? sums[1] + 2 * smooth : sums[0] + numerator + smooth;
    const bool present = (squared ? sums[2] : sums[0] + sums[2]) > 0;
    if (rest == 0) return {0, 0, 0, present};
    const double ratio = numerator / rest, loss = gamma == 1 ? ratio : std::pow(ratio, gamma);
    const double of_power = gamma == 1 ? 1 : ratio == 0 ? 0 : gamma * loss / ratio;
    if (squared) return {loss, 2 * (1 - ratio) / rest, -2 / rest, present};
    const double kept = (rest - numerator) / (rest * rest) * of_power;
    return {loss, alpha * kept, -beta * kept - ratio / rest * of_power, present};
  }
};

// Units of a few pixels of a sample, which has eight at least: what is known of each pixel fits the first-level cache. An
// odd number of vectors: strides of a power of 2 share few sets of a cache.
int64_t pixels_of_unit(int64_t classes, int64_t inner) {
  const int64_t pixels = std::clamp<int64_t>(std::min(16384 / classes, inner / 8), 32, 512);
  return ((pixels / 16 - 1) | 1) * 16;
}

// One call: the sums of units, the losses of samples and classes that they make, and the gradient.
struct Work {
  const Ratio ratio;
  const MaybeTensor& weight;
  const Tail& tail;
  const DType dtype;
  const int64_t samples;
  const bool only_present;
  Overlap call{};

  int64_t losses = 0, units_of_sample = 0;  // losses: samples, or 1 of a batch that is one
  double counted = 0;                       // what the mean divides by
  std::unique_ptr<bool[]> counts{};
  std::unique_ptr<double[]> slopes{};
  std::unique_ptr<Ratio::Value[]> found{};

  double weight_of(int64_t i) const { return weight_at(data(tail.row_weight), dtype, i); }
  double class_weight_of(int64_t i) const { return weight_at(data(weight), dtype, i % call.classes); }
  int64_t sums_of_unit() const { return call.classes * Overlap::sums_of_class; }
  bool counts_present() const { return tail.reduction == mean && only_present && !tail.normalizer.has_value(); }

  void begin() {
    const int64_t C = call.classes;
    losses = call.batch ? 1 : samples;
    units_of_sample = (call.inner + call.rows_of_unit - 1) / call.rows_of_unit;
    counts.reset(new bool[samples]);
    slopes.reset(new double[losses * C * 2]);
    found.reset(new Ratio::Value[losses * C]);
    std::fill(counts.get(), counts.get() + samples, false);
    for (int64_t i = 0; i < losses * C; ++i) {
      counts[i / C] |= weight_of(i) != 0;
      counted += weight_of(i) * class_weight_of(i);
    }
    if (call.batch) std::fill(counts.get(), counts.get() + samples, counts[0]);
    call.counts = counts.get();
    call.slopes = slopes.get();
  }

  // Losses [begin, end), of the sums of their units, in order, whatever the threads' was.
  void finish(int64_t begin, int64_t end, const double* partial) {
    const int64_t C = call.classes, units = (call.batch ? samples : 1) * units_of_sample;
    for (int64_t i = begin * C; i < end * C; ++i) {
      double sums[Overlap::sums_of_class] = {};
      const double* part = partial + (i / C - begin) * units * sums_of_unit() + i % C * Overlap::sums_of_class;
      for (int64_t unit = 0; unit < units; ++unit, part += sums_of_unit()) {
        for (int64_t k = 0; k < Overlap::sums_of_class; ++k) sums[k] += part[k];
      }
      found[i] = ratio.of(sums);
      if (!only_present || found[i].present || found[i].loss != found[i].loss) continue;  // NaN stays
      found[i] = {0, 0, 0, false};
      if (counts_present()) counted -= weight_of(i) * class_weight_of(i);
    }
  }

  void prepare_gradient(int64_t begin, int64_t end) {
    const double scale = tail.scale(tail.divisor(counted));
    for (int64_t i = begin * call.classes; i < end * call.classes; ++i) {
      const double factor = weight_of(i) * class_weight_of(i) * scale;
      slopes[2 * i] = factor == 0 ? 0 : factor * found[i].first;
      slopes[2 * i + 1] = factor == 0 ? 0 : factor * found[i].second;
    }
  }

  void check() const {
    if (!*call.outside) return;
    if (!call.index) throw std::domain_error(Overlap::out_of_domain);
    throw std::out_of_range("target holds a class that does not exist, or input a value outside [0, 1]; the classes are 0 "
                            "to " + std::to_string(call.classes - 1));
  }

  // A sample's gradient follows its sums at once, while the caches hold it, and no thread waits for another.
  void run_by_samples() {
    const auto sums = kernels().overlap_sums.of[dtype], gradients = kernels().overlap_gradients.of[dtype];
    const size_t scratch_bytes = (kernels().overlap_sums.scratch(call) + 63) / 64 * 64;
    const size_t bytes = scratch_bytes + units_of_sample * sums_of_unit() * sizeof(double);
    in_parallel(samples, grain_of(call.classes * call.inner), bytes, [&](int64_t begin, int64_t end, char* scratch) {
      Overlap own = call;
      own.partial = reinterpret_cast<double*>(scratch + scratch_bytes);
      for (int64_t i = begin; i < end; ++i) {
        own.first_unit = i * units_of_sample;
        sums(own, own.first_unit, own.first_unit + units_of_sample, scratch);
        finish(i, i + 1, own.partial);
        prepare_gradient(i, i + 1);
        gradients(own, own.first_unit, own.first_unit + units_of_sample, scratch);
      }
    });
    check();
  }

  void run_by_units(bool wanted) {
    const int64_t units = samples * units_of_sample, grain = grain_of(call.classes * call.rows_of_unit);
    const std::unique_ptr<double[]> partial(new double[units * sums_of_unit()]);
    call.partial = partial.get();
    const auto run_on = [&](const Kernel<Overlap>& kernel) {
      const auto of_units = kernel.of[dtype];
      in_parallel(units, grain, kernel.scratch(call),
                  [&](int64_t begin, int64_t end, char* scratch) { of_units(call, begin, end, scratch); });
    };
    run_on(kernels().overlap_sums);
    check();
    finish(0, losses, call.partial);
    if (!wanted) return;
    prepare_gradient(0, losses);
    run_on(kernels().overlap_gradients);
  }

  Tensor value(const Sizes& sizes) const {
    const bool reduced = tail.reduction != none;
    const Tensor made = empty(reduced ? Sizes{} : sizes, computed_in(dtype));
    void* const values = made.mutable_data_ptr();
    double total = 0;
    for (int64_t i = 0; i < losses * call.classes; ++i) {
      const double s = weight_of(i), here = s == 0 ? 0 : s * class_weight_of(i) * found[i].loss;
      total += here;
      if (!reduced && dtype == float64) static_cast<double*>(values)[i] = here;
      if (!reduced && dtype != float64) static_cast<float*>(values)[i] = static_cast<float>(here);
    }
    const double divisor = tail.divisor(counted);
    if (reduced) set_value(made, divisor == 0 && total == 0 ? 0 : total / divisor);
    return made;
  }
};

Answer overlap(const Tensor& input, const Tensor& target, const MaybeTensor& pixel_weight, const MaybeTensor& weight,
               int64_t ignore_index, int64_t activation, int64_t overlap, bool squared, bool batch, int64_t classes,
               double smooth, double alpha, double beta, double gamma, const MaybeTensor& row_weight, int64_t reduction,
               const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  const int64_t axis = class_axis(input), samples = axis ? input.size(0) : 1, C = input.size(axis);
  const bool by_index = target.scalar_type() == ScalarType::Long;
  const Tail tail{row_weight, reduction, normalizer, upstream};
  Work work{{squared, smooth, alpha, beta, gamma}, weight, tail, dtype_of(input), samples, classes == 1};
  Overlap& call = work.call;
  call.input = input.const_data_ptr();
  if (by_index) call.index = static_cast<const int64_t*>(target.const_data_ptr());
  if (!by_index) call.masks = target.const_data_ptr();
  call.pixel_weight = data(pixel_weight);
  call.classes = C;
  call.inner = input.numel() / std::max<int64_t>(samples * C, 1);
  call.ignore_index = ignore_index;
  call.activation = static_cast<Overlap::Activation>(activation);
  call.minimum = overlap == 0 && !by_index;
  call.squared = squared;
  call.batch = batch;
  call.rows_of_unit = pixels_of_unit(C, call.inner);
  call.non_temporal = exceeds_caches(input, call.rows_of_unit);
  std::atomic<bool> outside = false;
  call.outside = &outside;
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&input});
  work.begin();
  const int64_t threads = torch::stable::get_num_threads();
  const bool shared_out = samples % threads == 0 || samples >= 4 * threads;  // by whole samples, evenly
  wanted && shared_out && !batch && !work.counts_present() ? work.run_by_samples() : work.run_by_units(wanted);
  Sizes sizes{C};
  if (axis && !batch) sizes.insert(sizes.begin(), samples);
  return {work.value(sizes), std::move(gradients)};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) { m.impl("overlap", TORCH_BOX(&lossary::overlap)); }
