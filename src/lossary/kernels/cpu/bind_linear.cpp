// Cross-entropy and log-probabilities of a linear layer without its logits. Shapes: as in layer.h.
#include "layer.h"

namespace lossary {
namespace {

// The targets of all rows, one after the other: N, N positions, or N sparse targets.
Rows targets_of(const CrossEntropy& options, const Tensor& linear_weight) {
  if (!linear_weight.numel()) throw std::invalid_argument("linear_weight holds no weights; give a row for each class");
  Rows targets{};
  const bool by_index = set_target(targets, options.target);
  targets.classes = linear_weight.size(0);
  targets.rows = by_index ? options.target.numel() : options.target.numel() / targets.classes;
  targets.class_weight = data(options.class_weight);
  targets.ignore_index = options.ignore_index;
  return targets;
}

// Of the N rows; none where all count. The others, which may hold anything, cost nothing.
Places rows_that_count(const Rows& targets, int64_t rows, const void* row_weight, int64_t picks, DType dtype) {
  std::vector<int64_t> places;
  const int64_t each = rows ? targets.rows / rows : 0;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = row * each; i < (row + 1) * each; ++i) {
      if (targets.index && targets.index[i] == targets.ignore_index) continue;
      if (weight_at(row_weight, dtype, i / picks) == 0) continue;
      places.push_back(row);
      break;
    }
  }
  return static_cast<int64_t>(places.size()) == rows ? Places() : Places(std::move(places));
}

// Features (N, D), linear_weight (C, *d, D), linear_bias (C, *d), target (N, *d) or (N, C, *d); with shares of its
// classes the target is (N, K), and the caller knows what the mean divides by.
Answer linear_cross_entropy(const Tensor& input, const Tensor& linear_weight, const MaybeTensor& linear_bias,
                            const CrossEntropy& options, int64_t memory_budget, const Tail& tail, int64_t wanted) {
  const DType dtype = dtype_of(input);
  const bool few = options.shares.has_value();
  const int64_t rows = input.size(0), picks = few ? options.target.size(1) : 1;
  const void* const row_weight = data(tail.row_weight);
  const Rows targets = targets_of(options, linear_weight);
  const double divisor = tail.divisor(denominator_of(targets, few ? nullptr : row_weight, dtype));
  const MaybeTensor scale = scalar(tail.scale(divisor), ScalarType::Double);
  const Layer layer(input, linear_weight, linear_bias, rows_that_count(targets, rows, row_weight, picks, dtype),
                    memory_budget);
  Gradients gradients(layer, wanted);
  Sizes sizes = with_rows(linear_weight, rows);  // (N, *d), of values
  sizes.pop_back();
  MaybeTensor values;
  if (tail.reduction == none) {
    values = empty(sizes, computed_in(dtype));
    zero(*values);
  }
  sizes.insert(sizes.begin() + 1, linear_weight.size(0));  // (N, C, *d), of logits
  double total = 0;
  layer.each_chunk([&](const Chunk& chunk) {
    sizes[0] = chunk.count;
    const Tensor logits = dense_view(chunk.logits, sizes), target = chunk.part(options.target);
    const MaybeTensor shares = chunk.part(options.shares), weights = chunk.part(tail.row_weight);
    const CrossEntropy here{target, options.ignore_index, shares, options.class_weight, options.label_smoothing, 0,
                            options.softcap, options.temperature, options.z_loss};
    const auto into = here.is_plain() ? softmax_rows_into : transformed_rows_into;
    const Tensor value = into(wanted ? logits.mutable_data_ptr() : nullptr, logits, here,
                              {weights, values.has_value() ? none : sum, nothing, scale});
    values.has_value() ? chunk.put(*values, value) : void(total += value_of(value));
    gradients.add(chunk);
  });
  if (!values.has_value()) values = scalar(divisor == 0 ? total : total / divisor, computed_in(dtype));
  return {*values, gradients.finished()};
}

// widens: half precision to fp32.
Answer linear_softmax_rows(const Tensor& input, const Tensor& linear_weight, const MaybeTensor& linear_bias,
                           const Tensor& target, const MaybeTensor& shares, const MaybeTensor& weight,
                           int64_t ignore_index, double label_smoothing, double softcap, double temperature,
                           double z_loss, int64_t memory_budget, bool widens, const MaybeTensor& row_weight,
                           int64_t reduction, const MaybeTensor& normalizer, const MaybeTensor& upstream,
                           int64_t wanted) {
  const WithoutGradMode mode;
  const Tensor targets = widens && target.scalar_type() != ScalarType::Long ? widened(target) : target;
  const CrossEntropy options{targets, ignore_index, shares, weight, label_smoothing, 0, softcap, temperature, z_loss};
  const Tail tail{row_weight, reduction, normalizer, upstream};
  if (!widens) return linear_cross_entropy(input, linear_weight, linear_bias, options, memory_budget, tail, wanted);
  auto [value, gradients] = linear_cross_entropy(widened(input), widened(linear_weight), widened(linear_bias), options,
                                                 memory_budget, tail, wanted);
  return {value, narrowed(std::move(gradients), input.scalar_type())};
}

Layer layer_of_classes(const Tensor& input, const Tensor& linear_weight, const MaybeTensor& linear_bias,
                       const Tensor& target, int64_t ignore_index, int64_t memory_budget) {
  const Rows targets = targets_of({target, ignore_index}, linear_weight);
  denominator_of(targets, nullptr, dtype_of(input));  // for its check
  return Layer(input, linear_weight, linear_bias, rows_that_count(targets, input.size(0), nullptr, 1, dtype_of(input)),
               memory_budget);
}

// Features (N, D), linear_weight (C, D), linear_bias (C), target (N).
LogProbAnswer linear_log_prob(const Tensor& input, const Tensor& linear_weight, const MaybeTensor& linear_bias,
                              const Tensor& target, int64_t ignore_index, double softcap, double temperature,
                              int64_t memory_budget, bool widens) {
  const WithoutGradMode mode;
  if (widens) {
    return linear_log_prob(widened(input), widened(linear_weight), widened(linear_bias), target, ignore_index, softcap,
                           temperature, memory_budget, false);
  }
  const Layer layer = layer_of_classes(input, linear_weight, linear_bias, target, ignore_index, memory_budget);
  const LogProbs all = room_for_log_probs(input.size(0), dtype_of(input));
  for (int i = 0; i < 3; ++i) zero(all[i]);
  std::fill_n(static_cast<int64_t*>(all[3].mutable_data_ptr()), input.size(0), -1);
  layer.each_chunk([&](const Chunk& chunk) {
    const LogProbs here = log_probs(
        chunk.without_padding(chunk.logits),
        {.target = chunk.part(target), .ignore_index = ignore_index, .softcap = softcap, .temperature = temperature});
    for (int i = 0; i < 4; ++i) chunk.put(all[i], here[i]);
  });
  return std::tuple_cat(all);
}

// Makes each chunk's logits again: what they are multiplied by was not known before.
std::vector<Tensor> linear_log_prob_backward(const Tensor& input, const Tensor& linear_weight,
                                             const MaybeTensor& linear_bias, const Tensor& target,
                                             int64_t ignore_index, double softcap, double temperature,
                                             int64_t memory_budget, bool widens, const MaybeTensor& d_log_prob,
                                             const MaybeTensor& d_entropy, const MaybeTensor& d_lse, int64_t wanted) {
  const WithoutGradMode mode;
  if (widens) {
    return narrowed(linear_log_prob_backward(widened(input), widened(linear_weight), widened(linear_bias), target,
                                             ignore_index, softcap, temperature, memory_budget, false, d_log_prob,
                                             d_entropy, d_lse, wanted),
                    input.scalar_type());
  }
  const Layer layer = layer_of_classes(input, linear_weight, linear_bias, target, ignore_index, memory_budget);
  Gradients gradients(layer, wanted);
  layer.each_chunk([&](const Chunk& chunk) {
    const Tensor logits = chunk.without_padding(chunk.logits);
    log_prob_gradient_into(
        logits.mutable_data_ptr(), logits,
        {.target = chunk.part(target), .ignore_index = ignore_index, .softcap = softcap, .temperature = temperature},
        {chunk.part(d_log_prob), chunk.part(d_entropy), chunk.part(d_lse)});
    gradients.add(chunk);
  });
  return gradients.finished();
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) {
  m.impl("linear_softmax_rows", TORCH_BOX(&lossary::linear_softmax_rows));
  m.impl("linear_log_prob", TORCH_BOX(&lossary::linear_log_prob));
  m.impl("linear_log_prob_backward", TORCH_BOX(&lossary::linear_log_prob_backward));
}
