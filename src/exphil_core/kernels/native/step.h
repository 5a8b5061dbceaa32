// One frame of a Mamba layer, between its first and its last projection.
//
// B batch, E channels, N states a channel, K taps, R rank of the step's projection. The weights are those of
// mamba_ssm.Mamba. Everything is dense.
#pragma once
#include <cstdint>

#include "memory.h"
#include "vectors.h"

struct StepArguments {
  const float *entering;                    // (B, 2 E): input of the convolution, then the gate
  const float *filter, *filter_bias;        // (E, K), (E)
  const float *projection;                  // (R + 2 N, E): to the step's rank, b and c
  const float *step_weight, *step_bias;     // (E, R), (E)
  const float *A_log, *D;                   // (E, N), (E)
  const float *past, *before;               // (B, K - 1, E), (B, E, N)
  float *y, *past_after, *after;            // (B, E), as past, as before
  int64_t batch, channels, states, taps, rank, threads;
};

static inline float dot(const float* a, const float* b, long count) {
  Lanes sum = all(0.0f);
  long at = 0;
  for (; at + W <= count; at += W) sum += load(a + at) * load(b + at);
  float total = sum_of(sum);
  for (; at < count; at++) total += a[at] * b[at];
  return total;
}

// u = silu(filter(past, entering)); the window of frames moves on by one.
static void step_convolution(const StepArguments& a, long batch, float* u) {
  const float *x = a.entering + batch * 2 * a.channels, *past = a.past + batch * (a.taps - 1) * a.channels;
  float* after = a.past_after + batch * (a.taps - 1) * a.channels;
  for (long e = 0; e < a.channels; e++) {
    float p = a.filter_bias[e];
    for (long k = 0; k + 1 < a.taps; k++) p += a.filter[e * a.taps + k] * past[k * a.channels + e];
    u[e] = p + a.filter[e * a.taps + a.taps - 1] * x[e];
  }
  for (long e = 0; e < a.channels; e += W) {
    const Lanes p = load_part(u + e, a.channels - e);
    store_part(u + e, p * sigmoid_of(p), a.channels - e);
  }
  if (a.taps == 1) return;
  memcpy(after, past + a.channels, sizeof(float) * (a.taps - 2) * a.channels);
  memcpy(after + (a.taps - 2) * a.channels, x, sizeof(float) * a.channels);
}

static void step_states(const StepArguments& a, long batch, const float* u, const float* projected, float* d, float* y) {
  const float *b = projected + a.rank, *c = b + a.states;
  for (long e = 0; e < a.channels; e++) d[e] = dot(a.step_weight + e * a.rank, projected, a.rank) + a.step_bias[e];
  for (long e = 0; e < a.channels; e += W)
    store_part(d + e, softplus_of(load_part(d + e, a.channels - e)), a.channels - e);
  for (long e = 0; e < a.channels; e++) {
    const long row = (batch * a.channels + e) * a.states;
    const float du = d[e] * u[e];
    Lanes sum = all(0.0f);
    for (long n = 0; n < a.states; n += W) {
      const long width = a.states - n;
      const Lanes rate = -exp_of(load_part(a.A_log + e * a.states + n, width));
      const Lanes h = exp_of(rate * d[e]) * load_part(a.before + row + n, width) + load_part(b + n, width) * du;
      store_part(a.after + row + n, h, width);
      sum += h * load_part(c + n, width);
    }
    y[e] = sum_of(sum) + a.D[e] * u[e];
  }
}

// 0, or 1 if there is no memory.
static int mamba_step(const StepArguments& a) {
  const long threads = a.threads < 1 ? 1 : a.threads, width = a.rank + 2 * a.states;
  const long per_thread = 2 * rounded(a.channels) + rounded(width);
  Block block(threads * per_thread);
  if (block.empty()) return 1;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && a.batch > 7)
  for (long batch = 0; batch < a.batch; batch++) {
    float *u = block.start() + thread_number() * per_thread, *d = u + rounded(a.channels);
    float *projected = d + rounded(a.channels), *y = a.y + batch * a.channels;
    step_convolution(a, batch, u);
    for (long row = 0; row < width; row++) projected[row] = dot(a.projection + row * a.channels, u, a.channels);
    step_states(a, batch, u, projected, d, y);
    const float* gate = a.entering + batch * 2 * a.channels + a.channels;
    for (long e = 0; e < a.channels; e += W) {
      const Lanes g = load_part(gate + e, a.channels - e);
      store_part(y + e, load_part(y + e, a.channels - e) * g * sigmoid_of(g), a.channels - e);
    }
  }
  return 0;
}
