// Every kernel for one instruction set: this file is compiled once for each, under another name.
#include "boxes.h"
#include "cox.h"
#include "ctc.h"
#include "divergence.h"
#include "elementwise.h"
#include "nll.h"
#include "overlap.h"
#include "pairs.h"
#include "rnnt.h"
#include "similarities.h"
#include "strided_rows.h"
#include "transformed_rows.h"

#define LOSSARY_JOIN_(a, b) a##b
#define LOSSARY_JOIN(a, b) LOSSARY_JOIN_(a, b)
#define LOSSARY_TEXT_(a) #a
#define LOSSARY_TEXT(a) LOSSARY_TEXT_(a)
#define LOSSARY_KERNEL(name) {{name<double>, name<float>, name<Half>, name<BFloat16>}, name##_scratch}

namespace lossary {

extern const Kernels LOSSARY_JOIN(kernels_, LOSSARY_INSTRUCTION_SET);
const Kernels LOSSARY_JOIN(kernels_, LOSSARY_INSTRUCTION_SET) = {
    LOSSARY_TEXT(LOSSARY_INSTRUCTION_SET),
    LOSSARY_KERNEL(softmax_rows),
    LOSSARY_KERNEL(nll),
    LOSSARY_KERNEL(elementwise),
    LOSSARY_KERNEL(divergences),
    LOSSARY_KERNEL(overlap_sums),
    LOSSARY_KERNEL(overlap_gradients),
    LOSSARY_KERNEL(pairs),
    LOSSARY_KERNEL(boxes),
    LOSSARY_KERNEL(ctc),
    LOSSARY_KERNEL(rnnt),
    LOSSARY_KERNEL(cox),
    LOSSARY_KERNEL(transformed_rows),
    LOSSARY_KERNEL(log_probs),
    LOSSARY_KERNEL(row_rivals),
    LOSSARY_KERNEL(column_rivals),
    LOSSARY_KERNEL(similarity_gradients),
};

}  // namespace lossary
