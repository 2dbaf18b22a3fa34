// The operator of connectionist temporal classification: its arguments checked, which reach memory unseen otherwise.
#include "bind_sequences.h"

namespace lossary {
namespace {

// Where the labels of each sample begin; raises where one is no class, or is the blank.
std::vector<int64_t> begins_of(const Ctc& call, const Tensor& targets, bool concatenated) {
  const int64_t room = concatenated ? 0 : targets.size(targets.dim() - 1);
  std::vector<int64_t> begins(call.rows);
  int64_t end = 0;
  for (int64_t n = 0; n < call.rows; ++n) {
    begins[n] = concatenated ? end : n * room;
    end = begins[n] + call.lengths[n];
    if (end > targets.numel()) break;
    for (int64_t i = begins[n]; i < end; ++i) check_label(call.labels[i], i, call.classes, call.blank);
  }
  if (concatenated && end != targets.numel()) {
    throw std::invalid_argument("target_lengths do not add up to the " + std::to_string(targets.numel()) +
                                " labels of targets");
  }
  return begins;
}

// input: (T, N, C) or (T, C), contiguous, or (N, T, C) transposed. targets: padded, (N, S) or (S), or those of all
// samples, concatenated.
Answer ctc(const Tensor& input, const Tensor& targets, const Tensor& input_lengths, const Tensor& target_lengths,
           int64_t blank, bool zero_infinity, bool from_logits, const MaybeTensor& row_weight, int64_t reduction,
           const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  const bool batched = input.dim() == 3, concatenated = batched && targets.dim() == 1;
  Ctc call{};
  call.from_logits = from_logits;
  call.input = input.const_data_ptr();
  call.time = input.size(0);
  call.rows = batched ? input.size(1) : 1;
  divide(call, 1);
  call.classes = input.size(input.dim() - 1);
  call.time_stride = input.stride(0);
  call.batch_stride = batched ? input.stride(1) : 0;
  call.blank = blank;
  call.zero_infinity = zero_infinity;
  call.mean = reduction == mean;
  if (blank < 0 || blank >= call.classes) throw std::invalid_argument("blank must be one of the classes");
  const bool fits = concatenated || (targets.dim() == input.dim() - 1 && (!batched || targets.size(0) == call.rows));
  if (targets.scalar_type() != ScalarType::Long || !fits) {
    throw std::invalid_argument("targets must be int64 labels (N, S), or those of all samples, concatenated");
  }
  const int64_t room = targets.size(targets.dim() - 1);
  call.labels = static_cast<const int64_t*>(targets.const_data_ptr());
  call.frames = lengths_of(input_lengths, "input_lengths", call.rows, call.time);
  call.lengths = lengths_of(target_lengths, "target_lengths", call.rows, room);
  const std::vector<int64_t> begins = begins_of(call, targets, concatenated);
  call.begin = begins.data();
  call.most_frames = *std::max_element(call.frames, call.frames + call.rows);
  call.most_labels = *std::max_element(call.lengths, call.lengths + call.rows);
  call.non_temporal = exceeds_caches(input, call.classes);
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&input});
  return {run(kernels().ctc, call, dtype_of(input), {input_lengths, batched ? -1 : 0},
              {row_weight, reduction, normalizer, upstream}, static_cast<double>(call.rows),
              grain_of(call.most_frames * (call.classes + 8 * call.most_labels))),
          std::move(gradients)};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) { m.impl("ctc", TORCH_BOX(&lossary::ctc)); }
