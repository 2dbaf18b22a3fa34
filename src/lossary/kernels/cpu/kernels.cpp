// Every kernel for one instruction set: this file is compiled once for each, under another name.
#include "ctc.h"
#include "divergence.h"
#include "elementwise.h"
#include "nll.h"
#include "pairs.h"
#include "segments.h"
#include "shaped.h"

#define LOSSARY_JOIN_(a, b) a##b
#define LOSSARY_JOIN(a, b) LOSSARY_JOIN_(a, b)
#define LOSSARY_TEXT_(a) #a
#define LOSSARY_TEXT(a) LOSSARY_TEXT_(a)

namespace {

template <class S>
void softmax_rows(const Rows& call, int64_t begin, int64_t end, char* scratch) {
  (call.inner == 1 ? rows<S> : segments<S>)(call, begin, end, scratch);
}

size_t rows_scratch(const Rows& call) {
  return call.inner == 1 ? RowKernel<double>::scratch(call.classes)
                         : SegmentKernel<double>::scratch(call.classes, call.rows_of_unit, call.index != nullptr);
}

}  // namespace

namespace lossary {

extern const Kernels LOSSARY_JOIN(kernels_, LOSSARY_INSTRUCTION_SET);
const Kernels LOSSARY_JOIN(kernels_, LOSSARY_INSTRUCTION_SET) = {
    LOSSARY_TEXT(LOSSARY_INSTRUCTION_SET),
    {softmax_rows<double>, softmax_rows<float>, softmax_rows<Half>, softmax_rows<BFloat16>},
    rows_scratch,
    {elementwise<double>, elementwise<float>, elementwise<Half>, elementwise<BFloat16>},
    BLOCK,
    [](const Elementwise& call) { return ROOMS * stride_of(call) * sizeof(double); },
    {nll<double>, nll<float>, nll<Half>, nll<BFloat16>},
    {divergences<double>, divergences<float>, divergences<Half>, divergences<BFloat16>},
    [](const Divergence& call) { return DivergenceKernel<double>::scratch(call.classes); },
    {pairs<double>, pairs<float>, pairs<Half>, pairs<BFloat16>},
    [](const Pairs& call) { return PairKernel<double>::scratch(call.width); },
    {ctc<double>, ctc<float>, ctc<Half>, ctc<BFloat16>},
    CtcKernel<double>::scratch,
    {shaped<double>, shaped<float>, shaped<Half>, shaped<BFloat16>},
    {log_probs<double>, log_probs<float>, log_probs<Half>, log_probs<BFloat16>},
    ShapedRow<double>::scratch,
};

}  // namespace lossary
