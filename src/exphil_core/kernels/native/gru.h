// A layer of gated recurrent units over a sequence, forward and backward.
//
// B batch, T frames, H width, 3 H gates in the order r, z, n. With what the input brings to them, `gates`:
//   (p, q, s) = weight h[t-1] + bias,   r = sigmoid(gates_r + p),   z = sigmoid(gates_z + q),
//   n = tanh(gates_n + r s),            h[t] = n + z (h[t-1] - n)
// Games don't know of each other: each thread takes some through all frames. What is left to torch are the products of
// whole sequences: those of the input, and the gradients of the weights.
#pragma once
#include <cstdint>

#include "memory.h"
#include "vectors.h"

struct GruArguments {
  const float *gates, *weight, *bias, *before;  // (B, T, 3 H), (3 H, H), (3 H), (B, H)
  float *y, *kept;                              // (B, T, H), (B, T, 4 H): r, z, n and s, for backward; may be null
  const float* dy;                              // backward from here: (B, T, H)
  float *dgates, *ds, *dbefore;                 // (B, T, 3 H), (B, T, H), (B, H)
  int64_t batch, frames, width, threads;
};

// A product is made of blocks of ROWS games and PANEL columns, which are summed up in registers.
static const int ROWS = 6, ACROSS = W == 16 ? 4 : 2, PANEL = ACROSS * W;

static inline long padded(long columns) { return (columns + PANEL - 1) / PANEL * PANEL; }

// A matrix [depth][columns] as [panel][depth][PANEL], zeros beyond the last column.
static void pack(const float* matrix, long depth, long columns, long depth_stride, long column_stride, float* panels) {
  for (long first = 0; first < columns; first += PANEL)
    for (long k = 0; k < depth; k++)
      for (long i = 0; i < PANEL; i++, panels++)
        *panels = first + i < columns ? matrix[k * depth_stride + (first + i) * column_stride] : 0.0f;
}

// out[row] = start[row] + x[row] times a panel, for R rows.
template <int R>
static inline void block_product(const float* x, long x_row, const float* panel, long depth, const float* start,
                                 long start_row, float* out, long out_row) {
  Lanes sum[R][ACROSS];
  for (int r = 0; r < R; r++)
    for (int i = 0; i < ACROSS; i++) sum[r][i] = load(start + r * start_row + i * W);
  for (long k = 0; k < depth; k++)
    for (int r = 0; r < R; r++)
      for (int i = 0; i < ACROSS; i++) sum[r][i] += load(panel + k * PANEL + i * W) * x[r * x_row + k];
  for (int r = 0; r < R; r++)
    for (int i = 0; i < ACROSS; i++) store(out + r * out_row + i * W, sum[r][i]);
}

// out[row] = start[row] + x[row] times the packed matrix. Rows of `start` and `out` are padded to whole panels.
static void product(const float* x, long x_row, const float* panels, long rows, long depth, long columns,
                    const float* start, long start_row, float* out, long out_row) {
  for (long first = 0; first < columns; first += PANEL, panels += depth * PANEL)
    for (long row = 0; row < rows; row += ROWS) {
      const float *from = x + row * x_row, *begin = start + row * start_row + first;
      float* to = out + row * out_row + first;
      switch (least(ROWS, rows - row)) {
        case 1: block_product<1>(from, x_row, panels, depth, begin, start_row, to, out_row); break;
        case 2: block_product<2>(from, x_row, panels, depth, begin, start_row, to, out_row); break;
        case 3: block_product<3>(from, x_row, panels, depth, begin, start_row, to, out_row); break;
        case 4: block_product<4>(from, x_row, panels, depth, begin, start_row, to, out_row); break;
        case 5: block_product<5>(from, x_row, panels, depth, begin, start_row, to, out_row); break;
        default: block_product<ROWS>(from, x_row, panels, depth, begin, start_row, to, out_row);
      }
    }
}

struct GruScratch {
  float *h, *wide;  // [rows][padded H], [rows][padded 3 H]
  Writer out;       // of what nobody reads soon: `kept`, `dgates` and `ds`
  GruScratch(Cutter& from, const GruArguments& a, long rows) : out(3 * a.batch * a.frames * a.width) {
    const long width = a.width;
    h = from.cut(rows * padded(width)), wide = from.cut(rows * padded(3 * width));
  }
};

// One game's frame once its recurrent part is known: h becomes the next state.
static inline void gru_frame(Writer out, const float* gates, const float* recurrent, float* h, float* y, float* kept,
                             long width) {
  for (long at = 0; at < width; at += W) {
    const long left = width - at;
    const Lanes s = load_part(recurrent + 2 * width + at, left);
    const Lanes r = sigmoid_of(load_part(gates + at, left) + load_part(recurrent + at, left));
    const Lanes z = sigmoid_of(load_part(gates + width + at, left) + load_part(recurrent + width + at, left));
    const Lanes n = tanh_of(load_part(gates + 2 * width + at, left) + r * s);
    const Lanes next = n + z * (load_part(h + at, left) - n);
    store_part(h + at, next, left), store_part(y + at, next, left);
    if (kept == nullptr) continue;
    out.part(kept + at, r, left), out.part(kept + width + at, z, left);
    out.part(kept + 2 * width + at, n, left), out.part(kept + 3 * width + at, s, left);
  }
}

// The same backwards: dh, the gradient of the state after the frame, becomes what reaches the one before past the
// gates; `recurrent` becomes the gradient of the recurrent part.
static inline void gru_frame_back(Writer out, const float* kept, const float* h, const float* dy, float* dh,
                                  float* dgates, float* ds, float* recurrent, long width) {
  for (long at = 0; at < width; at += W) {
    const long left = width - at;
    const Lanes r = load_part(kept + at, left), z = load_part(kept + width + at, left);
    const Lanes n = load_part(kept + 2 * width + at, left), s = load_part(kept + 3 * width + at, left);
    const Lanes d = load_part(dh + at, left) + load_part(dy + at, left);
    const Lanes to_n = d * (1.0f - z) * (1.0f - n * n);
    const Lanes to_z = d * (load_part(h + at, left) - n) * z * (1.0f - z);
    const Lanes to_r = to_n * s * r * (1.0f - r), to_s = to_n * r;
    store_part(dh + at, d * z, left);
    out.part(dgates + at, to_r, left), store_part(recurrent + at, to_r, left);
    out.part(dgates + width + at, to_z, left), store_part(recurrent + width + at, to_z, left);
    out.part(dgates + 2 * width + at, to_n, left), store_part(recurrent + 2 * width + at, to_s, left);
    out.part(ds + at, to_s, left);
  }
}

static void gru_games(const GruArguments& a, const GruScratch& s, const float* panels, const float* bias, long first,
                      long rows) {
  const long width = a.width, h_row = padded(width), wide_row = padded(3 * width);
  for (long row = 0; row < rows; row++)
    memcpy(s.h + row * h_row, a.before + (first + row) * width, sizeof(float) * width);
  for (long t = 0; t < a.frames; t++) {
    product(s.h, h_row, panels, rows, width, 3 * width, bias, 0, s.wide, wide_row);
    for (long row = 0; row < rows; row++) {
      const long at = (first + row) * a.frames + t;
      gru_frame(s.out, a.gates + at * 3 * width, s.wide + row * wide_row, s.h + row * h_row, a.y + at * width,
                a.kept ? a.kept + at * 4 * width : nullptr, width);
    }
  }
}

static void gru_games_back(const GruArguments& a, const GruScratch& s, const float* panels, long first, long rows) {
  const long width = a.width, h_row = padded(width), wide_row = padded(3 * width);
  memset(s.h, 0, sizeof(float) * rows * h_row);
  for (long t = a.frames - 1; t >= 0; t--) {
    for (long row = 0; row < rows; row++) {
      const long game = first + row, at = game * a.frames + t;
      const float* h = t > 0 ? a.y + (at - 1) * width : a.before + game * width;
      gru_frame_back(s.out, a.kept + at * 4 * width, h, a.dy + at * width, s.h + row * h_row,
                     a.dgates + at * 3 * width, a.ds + at * width, s.wide + row * wide_row, width);
    }
    product(s.wide, wide_row, panels, rows, 3 * width, width, s.h, h_row, s.h, h_row);
  }
  for (long row = 0; row < rows; row++)
    memcpy(a.dbefore + (first + row) * width, s.h + row * h_row, sizeof(float) * width);
}

// 0, or 1 if there is no memory.
static int gru(const GruArguments& a, bool back) {
  const long shares = a.threads < 1 ? 1 : least(a.threads, a.batch < 1 ? 1 : a.batch);
  const long most = (a.batch + shares - 1) / shares, gates = 3 * a.width;
  Cutter count(nullptr);
  GruScratch sized(count, a, most);
  const long matrix = back ? gates * padded(a.width) : a.width * padded(gates);
  Block block(matrix + padded(gates) + shares * count.used);
  if (block.empty()) return 1;
  float *panels = block.start(), *bias = panels + matrix, *scratch = bias + padded(gates);
  if (back) {
    pack(a.weight, gates, a.width, a.width, 1, panels);
  } else {
    pack(a.weight, a.width, gates, 1, a.width, panels);
    memset(bias, 0, sizeof(float) * padded(gates));
    memcpy(bias, a.bias, sizeof(float) * gates);
  }
#pragma omp parallel for num_threads(shares) schedule(static) if (shares > 1)
  for (long share = 0; share < shares; share++) {
    Cutter cutter(scratch + share * count.used);
    const GruScratch s(cutter, a, most);
    const long first = share * a.batch / shares, rows = (share + 1) * a.batch / shares - first;
    if (back) gru_games_back(a, s, panels, first, rows);
    else gru_games(a, s, panels, bias, first, rows);
    s.out.finish();
  }
  return 0;
}
