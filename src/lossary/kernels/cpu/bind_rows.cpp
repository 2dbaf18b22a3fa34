// The operators of rows of logits: softmax with its losses, negative log-likelihood, KL divergence.
#include "bind.h"

namespace lossary {
namespace {

// Units of rows, or of positions of an image, which has eight at least. An odd number of vectors: strides of a power of 2
// share few sets of a cache.
void divide(Rows& call, int64_t elements, int64_t fewest, int64_t most) {
  const int64_t classes = std::max<int64_t>(call.classes, 1), inner = std::max<int64_t>(call.inner, 1);
  if (inner == 1) return divide(call, 16384 / classes);
  const int64_t positions = std::clamp<int64_t>(std::min(elements / classes, inner / 8), fewest, most);
  call.rows_of_unit = ((positions / 16 - 1) | 1) * 16;
  call.units = (inner + call.rows_of_unit - 1) / call.rows_of_unit * (call.rows / inner);
}

}  // namespace

Tensor softmax_rows_into(void* gradient, const Tensor& logits, const CrossEntropy& options, const Tail& tail) {
  const DType dtype = dtype_of(logits);
  Rows call{};
  set_rows(call, logits, options);
  divide(call, 32768, 32, 4096);
  call.gradients[0] = gradient;
  call.non_temporal =
      gradient != call.logits && exceeds_caches(logits, call.inner == 1 ? call.classes : call.rows_of_unit);
  return run(kernels().rows, call, dtype, {logits, class_axis(logits)}, tail,
             denominator_of(call, data(tail.row_weight), dtype), grain_of(call.classes * call.rows_of_unit));
}

namespace {

Answer softmax_rows(const Tensor& logits, const Tensor& target, const MaybeTensor& weight, int64_t ignore_index,
                    double label_smoothing, double gamma, const MaybeTensor& row_weight, int64_t reduction,
                    const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  std::vector<Tensor> gradients;
  if (wanted) gradients.push_back(fresh_like(logits));
  const CrossEntropy options{.target = target, .ignore_index = ignore_index, .class_weight = weight,
                             .label_smoothing = label_smoothing, .gamma = gamma};
  return {softmax_rows_into(wanted ? gradients[0].mutable_data_ptr() : nullptr, logits, options,
                            {row_weight, reduction, normalizer, upstream}),
          std::move(gradients)};
}

Tensor softmax_rows_(Tensor logits, const Tensor& target, const MaybeTensor& weight, int64_t ignore_index,
                     double label_smoothing, double gamma, const MaybeTensor& row_weight, int64_t reduction,
                     const MaybeTensor& normalizer, const MaybeTensor& upstream) {
  const CrossEntropy options{.target = target, .ignore_index = ignore_index, .class_weight = weight,
                             .label_smoothing = label_smoothing, .gamma = gamma};
  return softmax_rows_into(logits.mutable_data_ptr(), logits, options, {row_weight, reduction, normalizer, upstream});
}

Answer nll(const Tensor& log_probabilities, const Tensor& target, const MaybeTensor& weight, int64_t ignore_index,
           const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
           const MaybeTensor& upstream, int64_t wanted) {
  const DType dtype = dtype_of(log_probabilities);
  Rows call{};
  set_rows(call, log_probabilities, {.target = target, .ignore_index = ignore_index, .class_weight = weight});
  if (!call.index) throw std::invalid_argument("nll takes class indices");
  divide(call, 262144, 1024, 16384);
  const double counted = denominator_of(call, data(row_weight), dtype);
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&log_probabilities});
  return {run(kernels().nll, call, dtype, {log_probabilities, class_axis(log_probabilities)},
              {row_weight, reduction, normalizer, upstream}, counted,
              grain_of(call.rows_of_unit * (wanted ? call.classes : 64))),
          std::move(gradients)};
}

// Logits (N, C).
Answer kl_rows(const Tensor& input_logits, const Tensor& target_logits, double temperature,
               const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
               const MaybeTensor& upstream, int64_t wanted) {
  const int64_t axis = class_axis(input_logits);
  if (input_logits.dim() > 2) throw std::invalid_argument("kl_rows takes logits (N, C): classes of each row together");
  Divergence call{};
  call.input = input_logits.const_data_ptr();
  call.target = target_logits.const_data_ptr();
  call.classes = input_logits.size(axis);
  call.temperature = temperature;
  call.rows = axis ? input_logits.size(0) : 1;
  divide(call, 16384 / std::max<int64_t>(call.classes, 1));
  call.non_temporal = exceeds_caches(input_logits, call.classes);
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&input_logits, &target_logits});
  return {run(kernels().divergences, call, dtype_of(input_logits), {input_logits, axis},
              {row_weight, reduction, normalizer, upstream}, static_cast<double>(call.rows),
              grain_of(call.classes * call.rows_of_unit)),
          std::move(gradients)};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) {
  m.impl("softmax_rows", TORCH_BOX(&lossary::softmax_rows));
  m.impl("softmax_rows_", TORCH_BOX(&lossary::softmax_rows_));
  m.impl("nll", TORCH_BOX(&lossary::nll));
  m.impl("kl_rows", TORCH_BOX(&lossary::kl_rows));
}
