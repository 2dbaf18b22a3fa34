// The operators of shaped logits.
#include "bind.h"

namespace lossary {

Tensor shaped_rows_into(void* gradient, const Tensor& logits, const Tensor& target, const MaybeTensor& shares,
                        const MaybeTensor& weight, int64_t ignore_index, double label_smoothing, double softcap,
                        double temperature, double z_loss, const MaybeTensor& row_weight, int64_t reduction,
                        const MaybeTensor& normalizer, const MaybeTensor& upstream) {
  const DType dtype = dtype_of(logits);
  Rows rows = rows_of(logits, target, weight, ignore_index, row_weight, 1);
  Shaped call{};
  call.logits = rows.logits;
  call.shape = {softcap, temperature};
  call.index = rows.index;
  call.shares = data(shares);
  call.probabilities = rows.probabilities;
  call.class_weight = rows.class_weight;
  call.row_weight = rows.row_weight;
  call.rows = rows.rows;
  call.classes = rows.classes;
  call.picks = shares.has_value() ? target.size(1) : 1;
  call.ignore_index = ignore_index;
  call.smoothing = label_smoothing;
  call.z_loss = z_loss;
  if (shares.has_value()) {  // whose mean the caller knows
    rows.rows *= call.picks;
    rows.row_weight = nullptr;
  }
  const double divisor = divisor_of(reduction, normalizer, denominator_of(rows, dtype));
  call.scale = scale_of(divisor, upstream);
  call.gradient = gradient;
  Output output(logits, 1, 2, reduction);
  call.values = output.values;
  call.rows_of_unit = std::max<int64_t>(1, 16384 / std::max<int64_t>(call.classes, 1));
  const int64_t units = (call.rows + call.rows_of_unit - 1) / call.rows_of_unit;
  Sums sums(units);
  call.sums = sums.data();
  std::atomic<bool> outside = false;
  call.outside = &outside;
  const auto kernel = kernels().shaped[dtype];
  in_parallel(units, grain_of(call.classes * call.rows_of_unit), kernels().shaped_scratch(call.classes),
              [&](int64_t begin, int64_t end, char* scratch) { kernel(call, begin, end, scratch); });
  if (outside) throw std::domain_error("target holds a value outside [0, 1]");
  output.finish(sums.total(), divisor);
  return output.tensor;
}

namespace {

Answer shaped_rows(const Tensor& logits, const Tensor& target, const MaybeTensor& shares, const MaybeTensor& weight,
                   int64_t ignore_index, double label_smoothing, double softcap, double temperature, double z_loss,
                   const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
                   const MaybeTensor& upstream, int64_t wanted) {
  std::vector<Tensor> gradients;
  void* const gradient = wanted ? add_gradient(gradients, logits) : nullptr;
  return {shaped_rows_into(gradient, logits, target, shares, weight, ignore_index, label_smoothing, softcap,
                           temperature, z_loss, row_weight, reduction, normalizer, upstream),
          gradients};
}

// The gradient over the logits.
Tensor shaped_rows_(Tensor logits, const Tensor& target, const MaybeTensor& shares, const MaybeTensor& weight,
                    int64_t ignore_index, double label_smoothing, double softcap, double temperature, double z_loss,
                    const MaybeTensor& row_weight, int64_t reduction, const MaybeTensor& normalizer,
                    const MaybeTensor& upstream) {
  return shaped_rows_into(logits.mutable_data_ptr(), logits, target, shares, weight, ignore_index, label_smoothing,
                          softcap, temperature, z_loss, row_weight, reduction, normalizer, upstream);
}

LogProb log_prob_of(const Tensor& logits, const Tensor& target, int64_t ignore_index, double softcap,
                    double temperature) {
  const Rows rows = rows_of(logits, target, MaybeTensor(), ignore_index, MaybeTensor(), 1);
  if (!rows.index) throw std::invalid_argument("log_prob takes class indices");
  denominator_of(rows, dtype_of(logits));  // for its check
  LogProb call{};
  call.logits = rows.logits;
  call.shape = {softcap, temperature};
  call.index = rows.index;
  call.rows = rows.rows;
  call.classes = rows.classes;
  call.ignore_index = ignore_index;
  return call;
}

void run(const LogProb& call, DType dtype) {
  const auto kernel = kernels().log_probs[dtype];
  in_parallel(call.rows, grain_of(call.classes), kernels().shaped_scratch(call.classes),
              [&](int64_t begin, int64_t end, char* scratch) { kernel(call, begin, end, scratch); });
}

}  // namespace

LogProbs room_for_log_probs(int64_t rows, DType dtype) {
  const Sizes sizes{rows};
  const ScalarType wide = computed_in(dtype);
  return {empty(sizes, wide), empty(sizes, wide), empty(sizes, wide), empty(sizes, ScalarType::Long)};
}

void log_probs_into(const LogProbs& found, const Tensor& logits, const Tensor& target, int64_t ignore_index,
                    double softcap, double temperature) {
  LogProb call = log_prob_of(logits, target, ignore_index, softcap, temperature);
  for (int i = 0; i < 3; ++i) call.values[i] = found[i].mutable_data_ptr();
  call.predicted = static_cast<int64_t*>(found[3].mutable_data_ptr());
  run(call, dtype_of(logits));
}

void log_prob_gradient_into(void* gradient, const Tensor& logits, const Tensor& target, int64_t ignore_index,
                            double softcap, double temperature, const MaybeTensor& d_log_prob,
                            const MaybeTensor& d_entropy, const MaybeTensor& d_lse) {
  LogProb call = log_prob_of(logits, target, ignore_index, softcap, temperature);
  MaybeTensor upstream[] = {d_log_prob, d_entropy, d_lse};
  for (int i = 0; i < 3; ++i) {
    if (upstream[i].has_value()) upstream[i] = torch::stable::contiguous(*upstream[i]);
    call.upstream[i] = data(upstream[i]);
  }
  call.gradient = gradient;
  run(call, dtype_of(logits));
}

namespace {

LogProbAnswer log_prob(const Tensor& logits, const Tensor& target, int64_t ignore_index, double softcap,
                       double temperature) {
  const LogProbs found = room_for_log_probs(logits.size(0), dtype_of(logits));
  log_probs_into(found, logits, target, ignore_index, softcap, temperature);
  return std::tuple_cat(found);
}

Tensor log_prob_backward(const Tensor& logits, const Tensor& target, int64_t ignore_index, double softcap,
                         double temperature, const MaybeTensor& d_log_prob, const MaybeTensor& d_entropy,
                         const MaybeTensor& d_lse) {
  const Tensor gradient = fresh_like(logits);
  log_prob_gradient_into(gradient.mutable_data_ptr(), logits, target, ignore_index, softcap, temperature, d_log_prob,
                         d_entropy, d_lse);
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
