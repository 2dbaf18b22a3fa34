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

// Units of a few pixels of a sample, which has eight at least. An odd number of vectors: strides of a power of 2 share few
// sets of a cache.
int64_t pixels_of_unit(int64_t classes, int64_t inner) {
  const int64_t pixels = std::clamp<int64_t>(std::min(16384 / classes, inner / 8), 32, 4096);
  return ((pixels / 16 - 1) | 1) * 16;
}

Answer overlap(const Tensor& input, const Tensor& target, const MaybeTensor& pixel_weight, const MaybeTensor& weight,
               int64_t ignore_index, int64_t activation, int64_t overlap, bool squared, bool batch, int64_t classes,
               double smooth, double alpha, double beta, double gamma, const MaybeTensor& row_weight, int64_t reduction,
               const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  const DType dtype = dtype_of(input);
  const int64_t axis = std::min<int64_t>(input.dim() - 1, 1), samples = axis ? input.size(0) : 1, C = input.size(axis);
  const bool by_index = target.scalar_type() == ScalarType::Long, only_present = classes == 1;
  const Tail tail{row_weight, reduction, normalizer, upstream};
  const Ratio ratio{squared, smooth, alpha, beta, gamma};
  Overlap call{};
  call.input = input.const_data_ptr();
  (by_index ? reinterpret_cast<const void*&>(call.index) : call.masks) = target.const_data_ptr();
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

  const int64_t losses = batch ? 1 : samples, units_of_sample = (call.inner + call.rows_of_unit - 1) / call.rows_of_unit;
  const auto weight_of = [&](int64_t i) { return weight_at(data(row_weight), dtype, i); };
  const auto class_weight_of = [&](int64_t c) { return weight_at(data(weight), dtype, c); };
  const std::unique_ptr<bool[]> counts(new bool[samples]);
  double counted = 0;
  for (int64_t n = 0; n < samples; ++n) {
    const int64_t of = batch ? 0 : n;
    counts[n] = false;
    for (int64_t c = 0; c < C; ++c) counts[n] |= weight_of(of * C + c) != 0;
    for (int64_t c = 0; c < C && (!batch || n == 0); ++c) counted += weight_of(of * C + c) * class_weight_of(c);
  }
  call.counts = counts.get();

  // Samples whose gradient follows their sums at once, while the caches hold them: where it depends on no others.
  const bool counts_first = tail.reduction == mean && only_present && !normalizer.has_value();
  const int64_t few = std::max<int64_t>(1, (int64_t{1} << 20) / std::max<int64_t>(C * call.inner, 1));
  const int64_t together = batch || counts_first || !wanted ? samples : std::min(few, samples);
  const std::unique_ptr<double[]> partial(new double[together * units_of_sample * C * call.sums_of_class]);
  const std::unique_ptr<double[]> slopes(new double[losses * C * 2]);
  const std::unique_ptr<Ratio::Value[]> found(new Ratio::Value[losses * C]);
  call.partial = partial.get();
  call.slopes = slopes.get();
  const int64_t grain = grain_of(C * call.rows_of_unit);

  const auto run_on = [&](const Kernel<Overlap>& kernel, int64_t begin, int64_t end) {
    call.first_unit = begin * units_of_sample;
    const auto of_units = kernel.of[dtype];
    in_parallel((end - begin) * units_of_sample, grain, kernel.scratch(call), [&](int64_t from, int64_t to, char* scratch) {
      of_units(call, call.first_unit + from, call.first_unit + to, scratch);
    });
  };
  const auto add_up = [&](int64_t begin, int64_t end) {
    run_on(kernels().overlap_sums, begin, end);
    if (outside && by_index) {
      throw std::out_of_range("target holds a class that does not exist, or input a value outside [0, 1]; the classes "
                              "are 0 to " + std::to_string(C - 1));
    }
    if (outside) throw std::domain_error(Overlap::out_of_domain);
    const int64_t sums_of_unit = C * call.sums_of_class;
    const int64_t units = (batch ? end - begin : 1) * units_of_sample;  // of a loss, in order, whatever the threads' was
    for (int64_t i = begin; i < (batch ? begin + 1 : end); ++i) {
      for (int64_t c = 0; c < C; ++c) {
        double sums[Overlap::sums_of_class] = {};
        const double* part = partial.get() + (i - begin) * units_of_sample * sums_of_unit + c * call.sums_of_class;
        for (int64_t unit = 0; unit < units; ++unit, part += sums_of_unit) {
          for (int64_t k = 0; k < call.sums_of_class; ++k) sums[k] += part[k];
        }
        Ratio::Value& value = found[i * C + c] = ratio.of(sums);
        if (!only_present || value.present || value.loss != value.loss) continue;  // NaN stays
        value = {0, 0, 0, false};
        counted -= counts_first ? weight_of(i * C + c) * class_weight_of(c) : 0;
      }
    }
  };
  const auto differentiate = [&](int64_t begin, int64_t end, double scale) {
    for (int64_t i = batch ? 0 : begin * C; i < (batch ? C : end * C); ++i) {
      const double factor = weight_of(i) * class_weight_of(i % C) * scale;
      slopes[2 * i] = factor == 0 ? 0 : factor * found[i].first;
      slopes[2 * i + 1] = factor == 0 ? 0 : factor * found[i].second;
    }
    run_on(kernels().overlap_gradients, begin, end);
  };
  for (int64_t begin = 0; begin < samples; begin += together) {
    const int64_t end = std::min(begin + together, samples);
    add_up(begin, end);
    if (wanted) differentiate(begin, end, tail.scale(tail.divisor(counted)));
  }

  Sizes sizes{C};
  if (axis && !batch) sizes.insert(sizes.begin(), samples);
  const Tensor value = empty(reduction == none ? sizes : Sizes{}, computed_in(dtype));
  const double divisor = tail.divisor(counted);
  double total = 0;
  for (int64_t i = 0; i < losses * C; ++i) {
    const double of_class = class_weight_of(i % C), loss = found[i].loss, s = weight_of(i);
    const double weighed = s == 0 ? 0 : s * of_class * loss;
    total += weighed;
    if (reduction != none) continue;
    if (dtype == float64) {
      static_cast<double*>(value.mutable_data_ptr())[i] = weighed;
    } else {
      static_cast<float*>(value.mutable_data_ptr())[i] = static_cast<float>(weighed);
    }
  }
  if (reduction != none) set_value(value, divisor == 0 && total == 0 ? 0 : total / divisor);
  return {value, std::move(gradients)};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) { m.impl("overlap", TORCH_BOX(&lossary::overlap)); }
