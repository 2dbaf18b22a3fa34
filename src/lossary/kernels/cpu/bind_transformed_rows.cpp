// The operators of transformed logits.
#include "bind.h"

namespace lossary {

Tensor transformed_rows_into(void* gradient, const Tensor& logits, const CrossEntropy& options, const Tail& tail) {
  const DType dtype = dtype_of(logits);
  TransformedRows call{};
  set_rows(call, logits, options);
  call.transform = {options.softcap, options.temperature};
  call.shares = data(options.shares);
  call.picks = options.shares.has_value() ? options.target.size(1) : 1;
  call.z_loss = options.z_loss;
  call.gradients[0] = gradient;
  divide(call, 16384 / std::max<int64_t>(call.classes, 1));
  Rows targets = call;
  targets.rows *= call.picks;  // with shares the caller knows the mean
  const double counted = denominator_of(targets, call.shares ? nullptr : data(tail.row_weight), dtype);
  return run(kernels().transformed_rows, call, dtype, {logits, 1}, tail, counted,
             grain_of(call.classes * call.rows_of_unit));
}

namespace {

Answer shaped_rows(const Tensor& logits, const Tensor& target, const MaybeTensor& shares, const MaybeTensor& weight,
                   int64_t ignore_index, double label_smoothing, double softcap, double temperature, double z_loss,
                   const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
                   const MaybeTensor& upstream, int64_t wanted) {
  std::vector<Tensor> gradients;
  if (wanted) gradients.push_back(fresh_like(logits));
  const CrossEntropy options{target, ignore_index, shares, weight, label_smoothing, 0, softcap, temperature, z_loss};
  return {transformed_rows_into(wanted ? gradients[0].mutable_data_ptr() : nullptr, logits, options,
                           {row_weight, reduction, normalizer, upstream}),
          std::move(gradients)};
}

Tensor shaped_rows_(Tensor logits, const Tensor& target, const MaybeTensor& shares, const MaybeTensor& weight,
                    int64_t ignore_index, double label_smoothing, double softcap, double temperature, double z_loss,
                    const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
                    const MaybeTensor& upstream) {
  const CrossEntropy options{target, ignore_index, shares, weight, label_smoothing, 0, softcap, temperature, z_loss};
  return transformed_rows_into(logits.mutable_data_ptr(), logits, options,
                               {row_weight, reduction, normalizer, upstream});
}

LogProb log_prob_of(const Tensor& logits, const CrossEntropy& options) {
  LogProb call{};
  set_rows(call, logits, options);
  call.transform = {options.softcap, options.temperature};
  if (!call.index) throw std::invalid_argument("log_prob takes class indices");
  denominator_of(call, nullptr, dtype_of(logits));  // for its check
  return call;
}

void run(const LogProb& call, DType dtype) {
  const auto& kernel = kernels().log_probs;
  in_parallel(call.rows, grain_of(call.classes), kernel.scratch(call),
              [&](int64_t begin, int64_t end, char* scratch) { kernel.of[dtype](call, begin, end, scratch); });
}

}  // namespace

LogProbs room_for_log_probs(int64_t rows, DType dtype) {
  const Sizes sizes{rows};
  const ScalarType wide = computed_in(dtype);
  return {empty(sizes, wide), empty(sizes, wide), empty(sizes, wide), empty(sizes, ScalarType::Long)};
}

LogProbs log_probs(const Tensor& logits, const CrossEntropy& options) {
  LogProb call = log_prob_of(logits, options);
  LogProbs found = room_for_log_probs(call.rows, dtype_of(logits));
  for (int i = 0; i < 3; ++i) call.outputs[i] = found[i].mutable_data_ptr();
  call.predicted = static_cast<int64_t*>(found[3].mutable_data_ptr());
  run(call, dtype_of(logits));
  return found;
}

void log_prob_gradient_into(void* gradient, const Tensor& logits, const CrossEntropy& options,
                            std::array<MaybeTensor, 3> upstream) {
  LogProb call = log_prob_of(logits, options);
  for (int i = 0; i < 3; ++i) {
    if (upstream[i].has_value()) upstream[i] = torch::stable::contiguous(*upstream[i]);
    call.upstream[i] = data(upstream[i]);
  }
  call.gradients[0] = gradient;
  run(call, dtype_of(logits));
}

namespace {

LogProbAnswer log_prob(const Tensor& logits, const Tensor& target, int64_t ignore_index, double softcap,
                       double temperature) {
  return std::tuple_cat(log_probs(
      logits, {.target = target, .ignore_index = ignore_index, .softcap = softcap, .temperature = temperature}));
}

Tensor log_prob_backward(const Tensor& logits, const Tensor& target, int64_t ignore_index, double softcap,
                         double temperature, const MaybeTensor& d_log_prob, const MaybeTensor& d_entropy,
                         const MaybeTensor& d_lse) {
  const Tensor gradient = fresh_like(logits);
  log_prob_gradient_into(
      gradient.mutable_data_ptr(), logits,
      {.target = target, .ignore_index = ignore_index, .softcap = softcap, .temperature = temperature},
      {d_log_prob, d_entropy, d_lse});
  return gradient;
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) {
  m.impl("shaped_rows", TORCH_BOX(&lossary::shaped_rows));
  m.impl("shaped_rows_", TORCH_BOX(&lossary::shaped_rows_));
  m.impl("log_prob", TORCH_BOX(&lossary::log_prob));
  m.impl("log_prob_backward", TORCH_BOX(&lossary::log_prob_backward));
}
