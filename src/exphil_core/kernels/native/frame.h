// Parts of a frame of play: small matrices times a few vectors, and attention of one frame to those before it.
//
// B batch, D width, h heads, W window. Everything is dense float32.
#pragma once
#include <cmath>
#include <cstdint>

#include "memory.h"
#include "step.h"
#include "vectors.h"

struct LinearArguments {
  const float *x, *weight, *bias;  // (B, inputs), (outputs, inputs), (outputs) or null
  float* y;                        // (B, outputs)
  int64_t batch, inputs, outputs, bends;  // bends: gelu afterwards
};

struct AttentionArguments {
  const float *entered, *bias;    // (B, 3 D): query, key, value; (h, W) by distance
  const float *past, *filled;     // (B, W - 1, 2 D): keys and values; (B, W - 1): 1 where there is a frame
  float *y, *seen, *filled_after; // (B, D), (B, W, 2 D), (B, W)
  int64_t batch, width, heads, window;
};

static inline float total_of(Lanes x) {
#if W == 16 && defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)x);
#else
  return sum_of(x);
#endif
}

// x/2 (1 + erf(x / sqrt 2)); erf by Abramowitz and Stegun 7.1.26, to 1.5e-7.
static inline Lanes gelu_of(Lanes x) {
  const Lanes z = (x < 0.0f ? -x : x) * 0.70710678f, t = 1.0f / (1.0f + 0.3275911f * z);
  Lanes p = all(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Lanes beyond = p * t * exp_of(-z * z);  // 1 - erf(z)
  return 0.5f * x * (x < 0.0f ? beyond : 2.0f - beyond);
}

// Four outputs at once: their sums don't wait for each other.
static void linear_rows(const LinearArguments& a, long row) {
  const float* weight = a.weight + row * a.inputs;
  const long n = a.inputs, count = least(4, a.outputs - row);
  for (long batch = 0; batch < a.batch; batch++) {
    const float* x = a.x + batch * n;
    float* y = a.y + batch * a.outputs + row;
    if (count < 4) {
      for (long i = 0; i < count; i++) y[i] = dot(weight + i * n, x, n);
    } else {
      Lanes sums[4] = {all(0.0f), all(0.0f), all(0.0f), all(0.0f)};
      long at = 0;
      for (; at + W <= n; at += W) {
        const Lanes part = load(x + at);
        for (long i = 0; i < 4; i++) sums[i] += load(weight + i * n + at) * part;
      }
      for (long i = 0; i < 4; i++) y[i] = total_of(sums[i]);
      for (; at < n; at++)
        for (long i = 0; i < 4; i++) y[i] += weight[i * n + at] * x[at];
    }
    if (a.bias)
      for (long i = 0; i < count; i++) y[i] += a.bias[row + i];
  }
}

static int linear(const LinearArguments& a) {
  for (long row = 0; row < a.outputs; row += 4) linear_rows(a, row);
  if (!a.bends) return 0;
  const long count = a.batch * a.outputs;
  for (long at = 0; at < count; at += W) store_part(a.y + at, gelu_of(load_part(a.y + at, count - at)), count - at);
  return 0;
}

// Chances (W) of a head from its scores: those of empty slots are minus infinity.
static void softmax(float* scores, long window) {
  float top = scores[0], whole = 0.0f;
  for (long s = 1; s < window; s++) top = scores[s] > top ? scores[s] : top;
  for (long s = 0; s < window; s += W) {
    const Lanes part = load_part(scores + s, window - s) - top;
    store_part(scores + s, exp_of(part < -87.0f ? all(-87.0f) : part), window - s);
  }
  for (long s = 0; s < window; s++) whole += scores[s];
  for (long s = 0; s < window; s++) scores[s] /= whole;
}

// 0, or 1 if there is no memory.
static int attention_step(const AttentionArguments& a) {
  const long width = a.width, each = width / a.heads, kept = a.window - 1;
  const float share = 1.0f / std::sqrt(static_cast<float>(each));
  Block block(a.window);
  if (block.empty()) return 1;
  float* scores = block.start();
  for (long batch = 0; batch < a.batch; batch++) {
    const float* query = a.entered + batch * 3 * width;
    float *seen = a.seen + batch * a.window * 2 * width, *filled = a.filled_after + batch * a.window;
    float* y = a.y + batch * width;
    if (kept > 0) memcpy(seen, a.past + batch * kept * 2 * width, sizeof(float) * kept * 2 * width);
    memcpy(seen + kept * 2 * width, query + width, sizeof(float) * 2 * width);
    if (kept > 0) memcpy(filled, a.filled + batch * kept, sizeof(float) * kept);
    filled[kept] = 1.0f;
    memset(y, 0, sizeof(float) * width);
    for (long head = 0; head < a.heads; head++) {
      const long at = head * each;
      for (long s = 0; s < a.window; s++) {
        const float score = dot(query + at, seen + s * 2 * width + at, each) * share;
        scores[s] = filled[s] == 0.0f ? -INFINITY : score + a.bias[head * a.window + kept - s];
      }
      softmax(scores, a.window);
      for (long s = 0; s < a.window; s++) {
        if (filled[s] == 0.0f) continue;
        const float* value = seen + s * 2 * width + width + at;
        for (long e = 0; e < each; e++) y[at + e] += scores[s] * value[e];
      }
    }
  }
  return 0;
}
