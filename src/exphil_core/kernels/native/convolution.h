// A causal convolution over frames, a filter for each channel, and SiLU after it. Forward and backward.
//
// B batch, T frames, E channels, K taps. With the K - 1 frames before the first one in front:
//   p[t] = bias + sum over k of weight[k] x[t + k],   y[t] = silu(p[t])
#pragma once
#include <cstdint>

#include "memory.h"
#include "vectors.h"

// Tiles whose rows take 256 bytes.
static const long NEIGHBOURS = 64 / TILE;

struct ConvolutionArguments {
  const float *x, *weight, *bias, *before;  // (B, T, E), (E, K), (E), (B, K - 1, E)
  float* y;                                 // (B, T, E), dense
  const float* dy;                          // backward from here: (B, T, E)
  float *dx, *dweight, *dbias, *dbefore;    // dense
  int64_t x_batch, x_frame, dy_batch, dy_frame;
  int64_t batch, frames, channels, taps, threads;
};

struct ConvolutionScratch {
  float *x, *g, *weight;  // [K - 1 + T][TILE], [T + 2 (K - 1)][TILE] with zeros at both ends, [K][TILE]
  Writer out;
  ConvolutionScratch(Cutter& from, const ConvolutionArguments& a) : out(a.batch * a.frames * a.channels) {
    x = from.cut((a.frames + a.taps) * TILE), g = from.cut((a.frames + 2 * a.taps) * TILE);
    weight = from.cut(a.taps * TILE);
  }
};

// `next` is how many floats after this tile the one lies that follows.
static void load_frames(const ConvolutionArguments& a, const ConvolutionScratch& s, long batch, long first, long width,
                        long next) {
  const long past = a.taps - 1;
  for (long t = 0; t < past; t++)
    load_row(s.x + t * TILE, a.before + (batch * past + t) * a.channels + first, width);
  for (long t = 0; t < a.frames; t++) {
    const float* row = a.x + batch * a.x_batch + t * a.x_frame + first;
    expect_row(row + next);
    load_row(s.x + (past + t) * TILE, row, width);
  }
  for (long k = 0; k < a.taps; k++)
    for (long lane = 0; lane < TILE; lane++)
      s.weight[k * TILE + lane] = lane < width ? a.weight[(first + lane) * a.taps + k] : 0.0f;
}

// TAPS is the number of taps where it is known when compiling, otherwise 0.
template <int TAPS>
static inline Lanes filtered(const ConvolutionArguments& a, const ConvolutionScratch& s, long t, int v, Lanes sum) {
  const long taps = TAPS ? TAPS : a.taps;
  for (long k = 0; k < taps; k++) sum += load(s.weight + k * TILE + v * W) * load(s.x + (t + k) * TILE + v * W);
  return sum;
}

template <int TAPS>
static void convolve_tile(const ConvolutionArguments& a, const ConvolutionScratch& s, long batch, long tile) {
  const long first = tile * TILE, width = least(TILE, a.channels - first);
  float bias[TILE], row[TILE];
  load_row(bias, a.bias + first, width);
  load_frames(a, s, batch, first, width, TILE);
  for (long t = 0; t < a.frames; t++) {
    float* y = a.y + (batch * a.frames + t) * a.channels + first;
    s.out.expect(y + TILE);
    for (int v = 0; v < V; v++) {
      const Lanes p = filtered<TAPS>(a, s, t, v, load(bias + v * W));
      store(row + v * W, p * sigmoid_of(p));
    }
    s.out.row(y, row, width);
  }
  s.out.finish();
}

// Adds to `sums`: [K][TILE] for the weights, [TILE] for the bias.
template <int TAPS>
static void convolve_tile_back(const ConvolutionArguments& a, const ConvolutionScratch& s, long batch, long tile,
                               float* sums) {
  const long first = tile * TILE, width = least(TILE, a.channels - first);
  const long taps = TAPS ? TAPS : a.taps, past = taps - 1;
  float bias[TILE], row[TILE];
  load_row(bias, a.bias + first, width);
  load_frames(a, s, batch, first, width, a.x_batch);
  memset(s.g, 0, sizeof(float) * past * TILE);
  memset(s.g + (past + a.frames) * TILE, 0, sizeof(float) * past * TILE);
  for (long t = 0; t < a.frames; t++) {
    const float* dy = a.dy + batch * a.dy_batch + t * a.dy_frame + first;
    expect_row(dy + a.dy_batch);
    load_row(row, dy, width);
    for (int v = 0; v < V; v++) {
      const Lanes p = filtered<TAPS>(a, s, t, v, load(bias + v * W)), s_p = sigmoid_of(p);
      const Lanes g = load(row + v * W) * (s_p + p * s_p * (1.0f - s_p));
      store(s.g + (past + t) * TILE + v * W, g);
      for (long k = 0; k < taps; k++) {
        float* sum = sums + k * TILE + v * W;
        store(sum, load(sum) + g * load(s.x + (t + k) * TILE + v * W));
      }
      float* sum = sums + taps * TILE + v * W;
      store(sum, load(sum) + g);
    }
  }
  for (long t = 0; t < past + a.frames; t++) {
    for (int v = 0; v < V; v++) {
      Lanes sum = all(0.0f);
      for (long k = 0; k < taps; k++)
        sum += load(s.weight + k * TILE + v * W) * load(s.g + (past + t - k) * TILE + v * W);
      store(row + v * W, sum);
    }
    float* to = t < past ? a.dbefore + (batch * past + t) * a.channels + first
                         : a.dx + (batch * a.frames + t - past) * a.channels + first;
    if (t >= past) s.out.expect(to + a.frames * a.channels);
    s.out.row(to, row, width);
  }
  s.out.finish();
}

template <int TAPS>
static int convolve(const ConvolutionArguments& a) {
  const long tiles = (a.channels + TILE - 1) / TILE, threads = a.threads < 1 ? 1 : a.threads;
  Cutter count(nullptr);
  ConvolutionScratch sized(count, a);
  Block block(threads * count.used);
  if (block.empty()) return 1;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && a.batch * tiles > 1)
  for (long task = 0; task < a.batch * tiles; task++) {
    Cutter cutter(block.start() + thread_number() * count.used);
    convolve_tile<TAPS>(a, ConvolutionScratch(cutter, a), task / tiles, task % tiles);
  }
  return 0;
}

template <int TAPS>
static int convolve_back(const ConvolutionArguments& a) {
  const long tiles = (a.channels + TILE - 1) / TILE, threads = a.threads < 1 ? 1 : a.threads;
  const long per_tile = (a.taps + 1) * TILE;
  Cutter count(nullptr);
  ConvolutionScratch sized(count, a);
  Block block(tiles * per_tile + threads * count.used);
  if (block.empty()) return 1;
  float *sums = block.start(), *scratch = sums + tiles * per_tile;
  memset(sums, 0, sizeof(float) * tiles * per_tile);
  // Each tile's sums belong to one thread and go through the games in order, beside those of its neighbours: their rows
  // lie side by side. With too few tiles for all threads, alone.
  const long beside = tiles < threads * NEIGHBOURS ? 1 : NEIGHBOURS;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && tiles > 1)
  for (long first = 0; first < tiles; first += beside) {
    Cutter cutter(scratch + thread_number() * count.used);
    const ConvolutionScratch s(cutter, a);
    for (long batch = 0; batch < a.batch; batch++)
      for (long tile = first; tile < least(first + beside, tiles); tile++)
        convolve_tile_back<TAPS>(a, s, batch, tile, sums + tile * per_tile);
  }
  for (long e = 0; e < a.channels; e++) {
    const float* mine = sums + e / TILE * per_tile + e % TILE;
    for (long k = 0; k < a.taps; k++) a.dweight[e * a.taps + k] = mine[k * TILE];
    a.dbias[e] = mine[a.taps * TILE];
  }
  return 0;
}
