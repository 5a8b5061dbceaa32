// The library that Python loads: plain C functions that return 0, or 1 if there is no memory.
#ifdef _OPENMP
#include <omp.h>
static inline long thread_number() { return omp_get_thread_num(); }
#else
static inline long thread_number() { return 0; }
#endif
#include <initializer_list>

#include "convolution.h"
#include "draw.h"
#include "frame.h"
#include "gather.h"
#include "gru.h"
#include "scan.h"
#include "step.h"

extern "C" {

// Raised whenever a structure below changes: the Python side refuses to use another layout.
int64_t exphil_layout() { return 6; }
int64_t exphil_lanes() { return W; }
int64_t exphil_chunk() { return CHUNK; }

int exphil_scan_forward(const ScanArguments* arguments) { return scan_forward(*arguments); }
int exphil_scan_backward(const ScanArguments* arguments) { return scan_backward(*arguments); }

int exphil_gru_forward(const GruArguments* arguments) { return gru(*arguments, false); }
int exphil_gru_backward(const GruArguments* arguments) { return gru(*arguments, true); }

int exphil_mamba_step(const StepArguments* arguments) { return mamba_step(*arguments); }

int exphil_linear(const LinearArguments* arguments) { return linear(*arguments); }
int exphil_attention_step(const AttentionArguments* arguments) { return attention_step(*arguments); }

int exphil_gather(const GatherArguments* arguments) { return gather(*arguments); }

int exphil_draw(const DrawArguments* arguments) { return draw(*arguments); }

int exphil_convolution_forward(const ConvolutionArguments* arguments) {
  return arguments->taps == 4 ? convolve<4>(*arguments) : convolve<0>(*arguments);
}
int exphil_convolution_backward(const ConvolutionArguments* arguments) {
  return arguments->taps == 4 ? convolve_back<4>(*arguments) : convolve_back<0>(*arguments);
}
}
