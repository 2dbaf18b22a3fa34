// The operator of the transducer loss: its arguments checked, which reach memory unseen otherwise.
#include "bind_sequences.h"

namespace lossary {
namespace {

// logits: (N, T, S + 1, C) or (T, S + 1, C), contiguous. targets: (N, S) or (S). blank: -1 is the last class.
Answer rnnt(const Tensor& logits, const Tensor& targets, const Tensor& logit_lengths, const Tensor& target_lengths,
            int64_t blank, bool zero_infinity, const MaybeTensor& row_weight, int64_t reduction,
            const MaybeTensor& normalizer, const MaybeTensor& upstream, int64_t wanted) {
  const int64_t axes = logits.dim(), batched = axes == 4;
  Rnnt call{};
  call.input = logits.const_data_ptr();
  call.rows = batched ? logits.size(0) : 1;
  divide(call, 1);
  call.time = logits.size(axes - 3);
  call.places = logits.size(axes - 2);
  call.classes = logits.size(axes - 1);
  call.blank = blank < 0 ? call.classes + blank : blank;
  call.zero_infinity = zero_infinity;
  if (call.blank < 0 || call.blank >= call.classes) throw std::invalid_argument("blank must be one of the classes");
  const int64_t room = call.places - 1;
  if (targets.scalar_type() != ScalarType::Long || targets.numel() != call.rows * room) {
    throw std::invalid_argument("targets must be int64 labels (N, S) beside logits (N, T, S + 1, C)");
  }
  call.labels = static_cast<const int64_t*>(targets.const_data_ptr());
  call.frames = lengths_of(logit_lengths, "logit_lengths", call.rows, call.time);
  call.lengths = lengths_of(target_lengths, "target_lengths", call.rows, room);
  for (int64_t n = 0; n < call.rows; ++n) {
    for (int64_t i = n * room; i < n * room + call.lengths[n]; ++i) {
      check_label(call.labels[i], i, call.classes, call.blank);
    }
  }
  call.most_frames = *std::max_element(call.frames, call.frames + call.rows);
  call.most_labels = *std::max_element(call.lengths, call.lengths + call.rows);
  call.non_temporal = exceeds_caches(logits, call.classes);
  std::vector<Tensor> gradients = make_gradients(call, wanted, {&logits});
  return {run(kernels().rnnt, call, dtype_of(logits), {logit_lengths}, {row_weight, reduction, normalizer, upstream},
              static_cast<double>(call.rows), grain_of(call.most_frames * call.places * (call.classes + 32))),
          std::move(gradients)};
}

}  // namespace
}  // namespace lossary

STABLE_TORCH_LIBRARY_IMPL(lossary, CPU, m) { m.impl("rnnt", TORCH_BOX(&lossary::rnnt)); }
