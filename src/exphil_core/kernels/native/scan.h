// The selective scan of a Mamba-1 layer, forward and backward.
//
// B batch, T frames, E channels, N states a channel. With d = softplus(step + bias):
//   h[t] = exp(d[t] A) h[t-1] + d[t] u[t] b[t],   y[t] = (h[t] . c[t] + D u[t]) * silu(gate[t])
// Lanes run over channels. A tile of channels goes through CHUNK frames at a time, state after state, so that all it
// touches stays in the first-level cache; meanwhile the next tile's rows are fetched. The backward pass takes chunks
// from the last to the first: it computes the states of a chunk again from the state before it, which the forward pass
// kept (`checkpoints`), and with them the output before the gate.
#pragma once
#include <cstdint>

#include "memory.h"
#include "vectors.h"

// 20 frames of AVX2's tiles are 2.5 kB an array: at 32, arrays lie 4 kB apart and compete for the same cache lines.
static const long CHUNK = 20;
// States that go back together: as many as there are registers for.
static const int STATES_BACK = W == 16 ? 2 : 1;
// What the passes over a chunk hand on, a row a frame. Arrays of a fixed size lie at distances that the compiler knows,
// so that one register finds them all.
typedef float Rows[CHUNK * TILE];

// Tensors are (B, T, E) or (B, T, N) with a stride for batch and frame (in floats) and the last dimension dense;
// those without a stride are dense. `gate` may be null, and with it dgate.
struct ScanArguments {
  const float *u, *step, *b, *c, *gate;           // (B, T, E), (B, T, E), (B, T, N), (B, T, N), (B, T, E)
  const float *A, *D, *bias, *before;             // (E, N), (E), (E), (B, E, N): the state before the first frame
  float *y, *last;                                // (B, T, E) dense, (B, E, N)
  float* checkpoints;                             // (B, chunks - 1, N, E): kept for backward; may be null
  const float *dy, *dlast;                        // backward from here: (B, T, E), (B, E, N) or null
  float *du, *dstep, *db, *dc, *dgate;            // dense
  float *dA, *dD, *dbias, *dbefore;
  int64_t u_batch, u_frame, step_batch, step_frame, b_batch, b_frame, c_batch, c_frame, gate_batch, gate_frame;
  int64_t dy_batch, dy_frame;
  int64_t batch, frames, channels, states, threads;
};

static inline long chunks_of(const ScanArguments& a) { return (a.frames + CHUNK - 1) / CHUNK; }
static inline long tiles_of(const ScanArguments& a) { return (a.channels + TILE - 1) / TILE; }

// A times log2(e) as [tile][N][TILE], zeros beyond the last channel.
static void tabulate_decays(const ScanArguments& a, float* table) {
  for (long tile = 0; tile < tiles_of(a); tile++)
    for (long n = 0; n < a.states; n++)
      for (long lane = 0; lane < TILE; lane++) {
        const long e = tile * TILE + lane;
        table[(tile * a.states + n) * TILE + lane] = e < a.channels ? a.A[e * a.states + n] * LOG2_E : 0.0f;
      }
}

// (T, N) rows to [N][T], so that a pass over one state reads one stretch.
static void transpose(const float* rows, long frame_stride, long frames, long states, float* out) {
  for (long t = 0; t < frames; t++)
    for (long n = 0; n < states; n++) out[n * frames + t] = rows[t * frame_stride + n];
}

static void load_states(const ScanArguments& a, const float* from, long batch, long tile, long width, float* states) {
  memset(states, 0, sizeof(float) * a.states * TILE);
  if (from == nullptr) return;
  const float* source = from + (batch * a.channels + tile * TILE) * a.states;
  for (long lane = 0; lane < width; lane++)
    for (long n = 0; n < a.states; n++) states[n * TILE + lane] = source[lane * a.states + n];
}

static void store_states(const ScanArguments& a, float* to, long batch, long tile, long width, const float* states) {
  float* target = to + (batch * a.channels + tile * TILE) * a.states;
  for (long lane = 0; lane < width; lane++)
    for (long n = 0; n < a.states; n++) target[lane * a.states + n] = states[n * TILE + lane];
}

static inline float* checkpoint_row(const ScanArguments& a, long batch, long chunk, long n, long tile) {
  const long kept = chunks_of(a) - 1;
  return a.checkpoints + ((batch * kept + chunk - 1) * a.states + n) * a.channels + tile * TILE;
}

struct ForwardRows {
  Rows u, d, du, y;
};

// One state of one tile through a chunk: y += h c.
static inline void run_state(const float* decay, const float* b, const float* c, ForwardRows& rows, float* state,
                             long frames) {
  Lanes h[V], rate[V];
  for (int v = 0; v < V; v++) h[v] = load(state + v * W), rate[v] = load(decay + v * W);
  for (long t = 0; t < frames; t++)
    for (int v = 0; v < V; v++) {
      const long at = t * TILE + v * W;
      h[v] = exp2_of_product(load(rows.d + at), rate[v]) * h[v] + load(rows.du + at) * b[t];
      store(rows.y + at, load(rows.y + at) + h[v] * c[t]);
    }
  for (int v = 0; v < V; v++) store(state + v * W, h[v]);
}

struct ForwardScratch {
  float *b, *c, *states, *gate;
  ForwardRows* rows;
  Writer out;
  ForwardScratch(Cutter& from, const ScanArguments& a) : out(a.batch * a.frames * a.channels) {
    b = from.cut(a.states * a.frames), c = from.cut(a.states * a.frames);
    states = from.cut(a.states * TILE), gate = from.cut(TILE);
    rows = from.cut_for<ForwardRows>();
  }
};

ALWAYS_INLINE void expect_next_tile(const ScanArguments& a, Writer out, long batch, long t, long first) {
  expect_row(a.u + batch * a.u_batch + t * a.u_frame + first);
  expect_row(a.step + batch * a.step_batch + t * a.step_frame + first);
  out.expect(a.y + (batch * a.frames + t) * a.channels + first);
  if (a.gate) expect_row(a.gate + batch * a.gate_batch + t * a.gate_frame + first);
}

static void forward_tile(const ScanArguments& a, const ForwardScratch& s, const float* decays, long batch, long tile) {
  const long first = tile * TILE, width = least(TILE, a.channels - first);
  float skip[TILE], bias[TILE], raw[TILE];
  ForwardRows& rows = *s.rows;
  load_row(skip, a.D + first, width);
  load_row(bias, a.bias + first, width);
  load_states(a, a.before, batch, tile, width, s.states);
  for (long begin = 0; begin < a.frames; begin += CHUNK) {
    const long frames = least(CHUNK, a.frames - begin);
    if (begin > 0 && a.checkpoints)
      for (long n = 0; n < a.states; n++)
        store_row(checkpoint_row(a, batch, begin / CHUNK, n, tile), s.states + n * TILE, width);
    for (long t = 0; t < frames; t++) {
      load_row(rows.u + t * TILE, a.u + batch * a.u_batch + (begin + t) * a.u_frame + first, width);
      load_row(raw, a.step + batch * a.step_batch + (begin + t) * a.step_frame + first, width);
      for (int v = 0; v < V; v++) {
        const long at = t * TILE + v * W;
        const Lanes d = softplus_of(load(raw + v * W) + load(bias + v * W)), u = load(rows.u + at);
        store(rows.d + at, d);
        store(rows.du + at, d * u);
        store(rows.y + at, load(skip + v * W) * u);
      }
    }
    for (long n = 0; n < a.states; n++) {
      for (long t = n * frames / a.states; t < (n + 1) * frames / a.states; t++)
        expect_next_tile(a, s.out, batch, begin + t, first + TILE);
      run_state(decays + n * TILE, s.b + n * a.frames + begin, s.c + n * a.frames + begin, rows, s.states + n * TILE,
                frames);
    }
    for (long t = 0; t < frames; t++) {
      const long row = (batch * a.frames + begin + t) * a.channels + first;
      if (a.gate) {
        load_row(s.gate, a.gate + batch * a.gate_batch + (begin + t) * a.gate_frame + first, width);
        for (int v = 0; v < V; v++) {
          const Lanes gate = load(s.gate + v * W);
          store(rows.y + t * TILE + v * W, load(rows.y + t * TILE + v * W) * gate * sigmoid_of(gate));
        }
      }
      s.out.row(a.y + row, rows.y + t * TILE, width);
    }
  }
  store_states(a, a.last, batch, tile, width, s.states);
}

// 0, or 1 if there is no memory.
static int scan_forward(const ScanArguments& a) {
  const long tiles = tiles_of(a), threads = a.threads < 1 ? 1 : a.threads;
  // With fewer games than threads, several threads share a game's channels.
  const long shares = a.batch >= threads || a.batch == 0 ? 1 : least(tiles, (threads + a.batch - 1) / a.batch);
  Cutter count(nullptr);
  ForwardScratch sized(count, a);
  const long table = rounded(tiles * a.states * TILE);
  Block block(table + threads * count.used);
  if (block.empty()) return 1;
  float* decays = block.start();
  tabulate_decays(a, decays);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && a.batch * shares > 1)
  for (long task = 0; task < a.batch * shares; task++) {
    Cutter cutter(decays + table + thread_number() * count.used);
    ForwardScratch s(cutter, a);
    const long batch = task / shares, share = task % shares;
    transpose(a.b + batch * a.b_batch, a.b_frame, a.frames, a.states, s.b);
    transpose(a.c + batch * a.c_batch, a.c_frame, a.frames, a.states, s.c);
    for (long tile = share; tile < tiles; tile += shares)
      forward_tile(a, s, decays + tile * a.states * TILE, batch, tile);
    s.out.finish();
  }
  return 0;
}

struct BackwardRows {
  Rows u, d, du, dy, slope, y, to_gate, by_input, by_decay;
  Rows decay[STATES_BACK], history[STATES_BACK];
};

struct BackwardScratch {
  float *b, *c, *db, *dc, *states, *gradients;
  BackwardRows* rows;
  Writer out;
  BackwardScratch(Cutter& from, const ScanArguments& a) : out(a.batch * a.frames * a.channels) {
    b = from.cut(a.states * a.frames), c = from.cut(a.states * a.frames);
    db = from.cut(a.states * a.frames * W), dc = from.cut(a.states * a.frames * W);
    states = from.cut(a.states * TILE), gradients = from.cut(a.states * TILE);
    rows = from.cut_for<BackwardRows>();
  }
};

// What a tile's gradients of weights are added to: [N][TILE], [TILE], [TILE].
struct WeightSums {
  float *A, *D, *bias;
};

// K states of one tile back through a chunk, which are computed again first. Together they read and write once what
// they have in common.
template <int K>
static inline void run_states_back(const BackwardScratch& s, const float* rates, long n, long begin, long frames,
                                   long all_frames, float* dA) {
  BackwardRows& rows = *s.rows;
  Lanes h[K][V], rate[K][V], g[K][V], sum[K][V];
  const float *b = s.b + n * all_frames + begin, *c = s.c + n * all_frames + begin;
  float *db = s.db + (n * all_frames + begin) * W, *dc = s.dc + (n * all_frames + begin) * W;
  for (int k = 0; k < K; k++)
    for (int v = 0; v < V; v++) {
      const long at = (n + k) * TILE + v * W;
      h[k][v] = load(s.states + at), rate[k][v] = load(rates + at);
    }
  for (long t = 0; t < frames; t++)
    for (int v = 0; v < V; v++) {
      const long at = t * TILE + v * W;
      const Lanes d = load(rows.d + at), du = load(rows.du + at);
      Lanes y = load(rows.y + at);
      for (int k = 0; k < K; k++) {
        const Lanes decay = exp2_of_product(d, rate[k][v]);
        store(rows.decay[k] + at, decay);
        store(rows.history[k] + at, h[k][v]);
        h[k][v] = decay * h[k][v] + du * b[k * all_frames + t];
        y += h[k][v] * c[k * all_frames + t];
      }
      store(rows.y + at, y);
    }
  for (int k = 0; k < K; k++)
    for (int v = 0; v < V; v++) {
      const long at = (n + k) * TILE + v * W;
      g[k][v] = load(s.gradients + at), sum[k][v] = load(dA + at);
    }
  for (long t = frames - 1; t >= 0; t--) {
    Lanes to_b[K], to_c[K];
    for (int k = 0; k < K; k++) {
      const long at = (k * all_frames + t) * W;
      to_b[k] = load(db + at), to_c[k] = load(dc + at);
    }
    for (int v = 0; v < V; v++) {
      const long at = t * TILE + v * W;
      const Lanes dy = load(rows.dy + at), d = load(rows.d + at), du = load(rows.du + at);
      Lanes by_input = load(rows.by_input + at), by_decay = load(rows.by_decay + at);
      for (int k = 0; k < K; k++) {
        to_c[k] += h[k][v] * dy;
        g[k][v] += dy * c[k * all_frames + t];
        to_b[k] += g[k][v] * du;
        by_input += g[k][v] * b[k * all_frames + t];
        g[k][v] *= load(rows.decay[k] + at);
        h[k][v] = load(rows.history[k] + at);
        const Lanes kept = g[k][v] * h[k][v];
        // `rate` is A log2(e); divided out again once a frame, not once a state.
        by_decay += kept * rate[k][v];
        sum[k][v] += kept * d;
      }
      store(rows.by_input + at, by_input);
      store(rows.by_decay + at, by_decay);
    }
    for (int k = 0; k < K; k++) {
      const long at = (k * all_frames + t) * W;
      store(db + at, to_b[k]), store(dc + at, to_c[k]);
    }
  }
  for (int k = 0; k < K; k++)
    for (int v = 0; v < V; v++) {
      const long at = (n + k) * TILE + v * W;
      store(s.gradients + at, g[k][v]), store(dA + at, sum[k][v]);
    }
}

ALWAYS_INLINE void expect_next_tile_back(const ScanArguments& a, Writer out, long batch, long t, long first) {
  const long row = (batch * a.frames + t) * a.channels + first;
  expect_row(a.u + batch * a.u_batch + t * a.u_frame + first);
  expect_row(a.step + batch * a.step_batch + t * a.step_frame + first);
  expect_row(a.dy + batch * a.dy_batch + t * a.dy_frame + first);
  out.expect(a.du + row);
  out.expect(a.dstep + row);
  if (a.gate == nullptr) return;
  expect_row(a.gate + batch * a.gate_batch + t * a.gate_frame + first);
  out.expect(a.dgate + row);
}

// Softplus, input and gate of a chunk, with the gradient that reaches the ungated output.
static void enter_chunk_back(const ScanArguments& a, const BackwardScratch& s, long batch, long first, long width,
                             long begin, long frames, const float* skip, const float* bias) {
  BackwardRows& rows = *s.rows;
  float raw[TILE], gate[TILE];
  for (long t = 0; t < frames; t++) {
    const long at_row = t * TILE;
    expect_next_tile_back(a, s.out, batch, begin + t, first + TILE);
    load_row(rows.u + at_row, a.u + batch * a.u_batch + (begin + t) * a.u_frame + first, width);
    load_row(raw, a.step + batch * a.step_batch + (begin + t) * a.step_frame + first, width);
    load_row(rows.dy + at_row, a.dy + batch * a.dy_batch + (begin + t) * a.dy_frame + first, width);
    for (int v = 0; v < V; v++) {
      const long at = at_row + v * W;
      const Lanes x = load(raw + v * W) + load(bias + v * W), d = softplus_of(x), u = load(rows.u + at);
      store(rows.d + at, d);
      store(rows.du + at, d * u);
      store(rows.y + at, load(skip + v * W) * u);
      store(rows.slope + at, sigmoid_of(x));
      store(rows.by_input + at, all(0.0f));
      store(rows.by_decay + at, all(0.0f));
    }
    if (a.gate == nullptr) continue;
    load_row(gate, a.gate + batch * a.gate_batch + (begin + t) * a.gate_frame + first, width);
    for (int v = 0; v < V; v++) {
      const long at = at_row + v * W;
      const Lanes x = load(gate + v * W), s_x = sigmoid_of(x), dy = load(rows.dy + at);
      store(rows.to_gate + at, dy * (s_x + x * s_x * (1.0f - s_x)));
      store(rows.dy + at, dy * x * s_x);
    }
  }
}

static void leave_chunk_back(const ScanArguments& a, const BackwardScratch& s, long batch, long first, long width,
                             long begin, long frames, const float* skip, const WeightSums& sums) {
  const BackwardRows& rows = *s.rows;
  float du[TILE], dstep[TILE], dgate[TILE];
  for (long t = 0; t < frames; t++) {
    const long row = (batch * a.frames + begin + t) * a.channels + first;
    for (int v = 0; v < V; v++) {
      const long at = t * TILE + v * W;
      const Lanes u = load(rows.u + at), dy = load(rows.dy + at), by_input = load(rows.by_input + at);
      const Lanes to_d = load(rows.by_decay + at) * (1.0f / LOG2_E) + by_input * u;
      const Lanes to_step = to_d * load(rows.slope + at);
      store(du + v * W, by_input * load(rows.d + at) + load(skip + v * W) * dy);
      store(dstep + v * W, to_step);
      store(sums.bias + v * W, load(sums.bias + v * W) + to_step);
      store(sums.D + v * W, load(sums.D + v * W) + dy * u);
    }
    s.out.row(a.du + row, du, width);
    s.out.row(a.dstep + row, dstep, width);
    if (a.gate == nullptr) continue;
    for (int v = 0; v < V; v++) {
      const long at = t * TILE + v * W;
      store(dgate + v * W, load(rows.to_gate + at) * load(rows.y + at));
    }
    s.out.row(a.dgate + row, dgate, width);
  }
}

static void backward_tile(const ScanArguments& a, const BackwardScratch& s, const float* decays, long batch, long tile,
                          const WeightSums& sums) {
  const long first = tile * TILE, width = least(TILE, a.channels - first);
  float skip[TILE], bias[TILE];
  load_row(skip, a.D + first, width);
  load_row(bias, a.bias + first, width);
  load_states(a, a.dlast, batch, tile, width, s.gradients);
  for (long chunk = chunks_of(a) - 1; chunk >= 0; chunk--) {
    const long begin = chunk * CHUNK, frames = least(CHUNK, a.frames - begin);
    if (chunk == 0) load_states(a, a.before, batch, tile, width, s.states);
    else
      for (long n = 0; n < a.states; n++)
        load_row(s.states + n * TILE, checkpoint_row(a, batch, chunk, n, tile), width);
    enter_chunk_back(a, s, batch, first, width, begin, frames, skip, bias);
    long n = 0;
    for (; n + STATES_BACK <= a.states; n += STATES_BACK)
      run_states_back<STATES_BACK>(s, decays, n, begin, frames, a.frames, sums.A);
    for (; n < a.states; n++) run_states_back<1>(s, decays, n, begin, frames, a.frames, sums.A);
    leave_chunk_back(a, s, batch, first, width, begin, frames, skip, sums);
  }
  store_states(a, a.dbefore, batch, tile, width, s.gradients);
}

static void backward_game(const ScanArguments& a, const BackwardScratch& s, const float* decays, long batch,
                          const WeightSums& sums) {
  transpose(a.b + batch * a.b_batch, a.b_frame, a.frames, a.states, s.b);
  transpose(a.c + batch * a.c_batch, a.c_frame, a.frames, a.states, s.c);
  memset(s.db, 0, sizeof(float) * a.states * a.frames * W);
  memset(s.dc, 0, sizeof(float) * a.states * a.frames * W);
  for (long tile = 0; tile < tiles_of(a); tile++) {
    const WeightSums here = {sums.A + tile * a.states * TILE, sums.D + tile * TILE, sums.bias + tile * TILE};
    backward_tile(a, s, decays + tile * a.states * TILE, batch, tile, here);
  }
  for (long t = 0; t < a.frames; t++)
    for (long n = 0; n < a.states; n++) {
      const long from = (n * a.frames + t) * W, to = (batch * a.frames + t) * a.states + n;
      a.db[to] = sum_of(load(s.db + from));
      a.dc[to] = sum_of(load(s.dc + from));
    }
}

// The groups' sums, always added in the same order.
static void gather_weights(const ScanArguments& a, const float* sums, long group_size, long groups) {
  const long tiles = tiles_of(a);
  for (long e = 0; e < a.channels; e++) {
    const long tile = e / TILE, lane = e % TILE;
    for (long n = 0; n < a.states; n++) {
      float total = 0.0f;
      for (long g = 0; g < groups; g++) total += sums[g * group_size + (tile * a.states + n) * TILE + lane];
      a.dA[e * a.states + n] = total;
    }
    float skip = 0.0f, bias = 0.0f;
    for (long g = 0; g < groups; g++) {
      const float* rest = sums + g * group_size + tiles * a.states * TILE;
      skip += rest[e];
      bias += rest[tiles * TILE + e];
    }
    a.dD[e] = skip, a.dbias[e] = bias;
  }
}

// 0, or 1 if there is no memory.
static int scan_backward(const ScanArguments& a) {
  const long tiles = tiles_of(a), threads = a.threads < 1 ? 1 : a.threads;
  const long groups = least(GROUPS, a.batch), group_size = rounded(tiles * TILE * (a.states + 2));
  Cutter count(nullptr);
  BackwardScratch sized(count, a);
  const long table = rounded(tiles * a.states * TILE);
  Block block(table + groups * group_size + threads * count.used);
  if (block.empty()) return 1;
  float *decays = block.start(), *sums = decays + table, *scratch = sums + groups * group_size;
  tabulate_decays(a, decays);
  memset(sums, 0, sizeof(float) * groups * group_size);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && groups > 1)
  for (long group = 0; group < groups; group++) {
    Cutter cutter(scratch + thread_number() * count.used);
    BackwardScratch s(cutter, a);
    float* mine = sums + group * group_size;
    const WeightSums here = {mine, mine + tiles * a.states * TILE, mine + tiles * (a.states + 1) * TILE};
    for (long batch = group * a.batch / groups; batch < (group + 1) * a.batch / groups; batch++)
      backward_game(a, s, decays, batch, here);
    s.out.finish();
  }
  gather_weights(a, sums, group_size, groups);
  return 0;
}
