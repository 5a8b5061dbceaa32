// Controllers drawn part after part from a policy head, each part given those before it.
//
// n games, Z head width, P parts of a controller, cells of a part. As PolicyHead.sample in Python.
#pragma once
#include <cmath>
#include <cstdint>

#include "memory.h"
#include "step.h"
#include "vectors.h"

struct PartArguments {
  const float *norm_weight, *norm_bias;      // (Z)
  const float *weight, *bias;                // (cells, Z), (cells)
  const float *copy, *copy_bias;             // (Z), (1): how much likelier the last value is
  const float *base, *odds;                  // (cells), (1); given x: (cells of x, cells), (cells of x)
  const float *button_weight, *button_bias;  // (2 BUTTONS, Z), (2 BUTTONS) where the cells are chords, otherwise null
  const float *told_value, *told_change;     // (cells, Z), (2, Z), or null: what the next parts are told
  int64_t cells, given_x;
};

struct DrawArguments {
  const PartArguments* parts;
  const float* z;          // (n, Z)
  const int64_t* last;     // (n, P): the controllers before
  const double* uniform;   // (n, P): from 0 to below 1
  const uint8_t* possible; // (cells of x, cells): pairs that a stick can reach
  int64_t* chosen;         // (n, P)
  int64_t count, width, parts_count, most_cells, threads;
  float temperature, norm_epsilon, impossible;  // temperature 0: the likeliest value
};

// gelu(norm(z)).
static void seen_by_part(const PartArguments& part, const float* z, long width, float epsilon, float* seen) {
  float mean = 0.0f, spread = 0.0f;
  for (long i = 0; i < width; i++) mean += z[i];
  mean /= width;
  for (long i = 0; i < width; i++) spread += (z[i] - mean) * (z[i] - mean);
  const float scale = 1.0f / std::sqrt(spread / width + epsilon);
  for (long i = 0; i < width; i++) {
    const float x = (z[i] - mean) * scale * part.norm_weight[i] + part.norm_bias[i];
    seen[i] = 0.5f * x * (1.0f + std::erf(x * 0.70710678f));
  }
}

// A chord is a number with a bit for each button.
static const int BUTTONS = 8, CHORDS = 1 << BUTTONS;

// To a chord's logit comes that of each of its buttons: the buttons' first rows are for being down, those after them
// for staying as in `last`.
static void add_buttons(const PartArguments& part, const float* seen, long width, int64_t last, float* logits) {
  float each[BUTTONS], sum[CHORDS];
  for (int button = 0; button < BUTTONS; button++) {
    const int stay = BUTTONS + button;
    const float down = dot(part.button_weight + button * width, seen, width) + part.button_bias[button];
    const float stays = dot(part.button_weight + stay * width, seen, width) + part.button_bias[stay];
    each[button] = last >> button & 1 ? down + stays : down - stays;
  }
  sum[0] = 0.0f;
  for (int chord = 1; chord < CHORDS; chord++) {
    sum[chord] = sum[chord & (chord - 1)] + each[__builtin_ctz(chord)];
    logits[chord] += sum[chord];
  }
}

static void part_logits(const DrawArguments& a, long index, const float* seen, const int64_t* last,
                        const int64_t* chosen, float* logits) {
  const PartArguments& part = a.parts[index];
  const int64_t x = part.given_x ? chosen[index - 1] : 0, at = last[index];
  const float* base = part.base + x * part.cells;
  for (long v = 0; v < part.cells; v++) logits[v] = dot(part.weight + v * a.width, seen, a.width) + part.bias[v] + base[v];
  if (part.button_weight) add_buttons(part, seen, a.width, at, logits);
  const bool repeats = !part.given_x || x == last[index - 1];
  const float odds = std::log((repeats ? part.odds[x] : 0.0f) + 1e-30f), here = base[at];
  // log(exp(here) + exp(odds)) - here; nothing lifts a value that can't be beside this x.
  const float above = odds - here;
  float lift = above > 0 ? above + std::log1p(std::exp(-above)) : std::log1p(std::exp(above));
  if (part.given_x && here <= a.impossible / 2) lift = 0.0f;
  logits[at] += lift + dot(part.copy, seen, a.width) + part.copy_bias[0];
  if (part.given_x)
    for (long v = 0; v < part.cells; v++)
      if (!a.possible[x * part.cells + v]) logits[v] = a.impossible;
}

static int64_t drawn(float* logits, long cells, float temperature, double uniform) {
  long best = 0;
  for (long v = 1; v < cells; v++)
    if (logits[v] > logits[best]) best = v;
  if (temperature == 0.0f) return best;
  const float top = logits[best];
  double whole = 0.0;
  for (long v = 0; v < cells; v++) whole += logits[v] = std::exp((logits[v] - top) / temperature);
  const double target = uniform * whole;
  double sum = 0.0;
  for (long v = 0; v < cells; v++) {
    sum += logits[v];
    if (sum > target) return v;
  }
  return best;  // only where rounding makes the uniform number reach the sum
}

// 0, or 1 if there is no memory.
static int draw(const DrawArguments& a) {
  const long threads = a.threads < 1 ? 1 : a.threads, per_thread = 2 * rounded(a.width) + rounded(a.most_cells);
  Block block(threads * per_thread);
  if (block.empty()) return 1;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && a.count > 7)
  for (long game = 0; game < a.count; game++) {
    float *z = block.start() + thread_number() * per_thread, *seen = z + rounded(a.width);
    float* logits = seen + rounded(a.width);
    const int64_t* last = a.last + game * a.parts_count;
    int64_t* chosen = a.chosen + game * a.parts_count;
    memcpy(z, a.z + game * a.width, sizeof(float) * a.width);
    for (long index = 0; index < a.parts_count; index++) {
      const PartArguments& part = a.parts[index];
      seen_by_part(part, z, a.width, a.norm_epsilon, seen);
      part_logits(a, index, seen, last, chosen, logits);
      chosen[index] = drawn(logits, part.cells, a.temperature, a.uniform[game * a.parts_count + index]);
      if (part.told_value == nullptr) continue;
      const float* value = part.told_value + chosen[index] * a.width;
      const float* change = part.told_change + (chosen[index] != last[index] ? a.width : 0);
      for (long i = 0; i < a.width; i++) z[i] += value[i] + change[i];
    }
  }
  return 0;
}
