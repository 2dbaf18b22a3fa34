// The operator of connectionist temporal classification: its arguments checked, which reach memory unseen otherwise.
#include "bind.h"

namespace lossary {
namespace {

std::string at(const char* name, int64_t value, int64_t place) {
  return std::string(name) + " holds " + std::to_string(value) + " at [" + std::to_string(place) + "]";
}

// Lengths of the batch, each 0 to `most`.
const int64_t* lengths_of(const Tensor& lengths, const char* name, int64_t batch, int64_t most) {
  if (lengths.scalar_type() != ScalarType::Long || lengths.numel() != batch) {
    throw std::invalid_argument(std::string(name) + " must be an int64 tensor with one length for each sample");
  }
  const int64_t* const values = static_cast<const int64_t*>(lengths.const_data_ptr());
  for (int64_t n = 0; n < batch; ++n) {
    if (values[n] < 0 || values[n] > most) {
      throw std::invalid_argument(at(name, values[n], n) + "; it must be 0 to " + std::to_string(most));
    }
  }
  return values;
}

// Where the labels of each sample begin; raises where one is no class, or is the blank.
std::vector<int64_t> begins_of(const Ctc& call, const Tensor& targets, bool concatenated) {
  const int64_t room = concatenated ? 0 : targets.size(targets.dim() - 1);
  std::vector<int64_t> begins(call.rows);
  int64_t end = 0;
  for (int64_t n = 0; n < call.rows; ++n) {
    begins[n] = concatenated ? end : n * room;
    end = begins[n] + call.lengths[n];
    if (end > targets.numel()) break;
    for (int64_t i = begins[n]; i < end; ++i) {
      const int64_t label = call.labels[i];
      if (label < 0 || label >= call.classes) {
        throw std::out_of_range(at("targets", label, i) + "; the classes are 0 to " +
                                std::to_string(call.classes - 1));
      }
      if (label == call.blank) throw std::invalid_argument(at("targets", label, i) + ", which is the blank");
    }
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
