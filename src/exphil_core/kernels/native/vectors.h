// Vectors of W floats and the functions that the layers need, to about one rounding of a float.
//
// GCC's and clang's vector extensions, so that one source serves AVX-512 (W = 16), AVX2 (8) and anything else (4).
// Nothing here relies on -ffast-math: infinities and NaNs pass through, so that a run that diverges is noticed.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif
// Tests set W themselves: any width works on any machine.
#if defined(W)
#elif defined(__AVX512F__)
#define W 16
#elif defined(__AVX2__)
#define W 8
#else
#define W 4
#endif

// A tile is the stretch of channels that one pass works on: V vectors, of which a row is at least one cache line.
#if W == 16
#define V 2
#else
#define V 4
#endif
#define TILE (V * W)

typedef float Lanes __attribute__((vector_size(4 * W)));
typedef float LanesInMemory __attribute__((vector_size(4 * W), aligned(4), may_alias));
typedef int32_t LaneBits __attribute__((vector_size(4 * W)));

static inline Lanes load(const float* from) { return (Lanes) * (const LanesInMemory*)from; }
static inline void store(float* to, Lanes value) { *(LanesInMemory*)to = (LanesInMemory)value; }
static inline Lanes all(float value) { return value - (Lanes){}; }

// W floats, or the fewer that are left at the end, with zeros after them.
static inline Lanes load_part(const float* from, long width) {
  if (width >= W) return load(from);
  float part[W] = {0};
  memcpy(part, from, sizeof(float) * width);
  return load(part);
}
static inline void store_part(float* to, Lanes value, long width) {
  if (width >= W) return store(to, value);
  float part[W];
  store(part, value);
  memcpy(to, part, sizeof(float) * width);
}

// Past the caches, where the processor can: to a multiple of a vector's size. `Writer` knows when that pays.
static inline void stream(float* to, Lanes value) {
#if W == 16 && defined(__AVX512F__)
  _mm512_stream_ps(to, (__m512)value);
#elif W == 8 && defined(__AVX2__)
  _mm256_stream_ps(to, (__m256)value);
#else
  store(to, value);
#endif
}

#if W == 16 && defined(__AVX512F__)
// 2^(x - 1/2), 1 for 1/2. The half makes rounding down, which both instructions do by themselves, rounding to the
// nearest, and where x is a product adding it costs nothing. Relative error 1.5e-7.
static inline Lanes exp2_of_less_half(Lanes x) {
  const Lanes f = (Lanes)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEG_INF);
  Lanes p = all(1.327647013e-3f);
  p = p * f + 6.356419995e-3f;
  p = p * f + 3.947516531e-2f;
  p = p * f + 1.698142290e-1f;
  p = p * f + 4.901332855e-1f;
  return (Lanes)_mm512_scalef_ps((__m512)(p * f + 7.071067095e-1f), (__m512)x);
}
#else
// 2^f for f from -1/2 to 1/2.
static inline Lanes exp2_of_half(Lanes f) {
  Lanes p = all(1.326472707e-3f);
  p = p * f + 9.671512649e-3f;
  p = p * f + 5.550733744e-2f;
  p = p * f + 2.402224209e-1f;
  p = p * f + 6.931469776e-1f;
  return p * f + 1.0f;
}
#endif

#if W == 8 && defined(__AVX2__)
// 2^(i/8), with the bits that `exp2_of` shifts onto it, i << 20, taken off again.
alignas(32) static const int32_t ROOTS[8] = {0x3f800000, 0x3f7b95c2, 0x3f7837f0, 0x3f75fed7,
                                             0x3f7504f3, 0x3f75672a, 0x3f7744fd, 0x3f7ac0c7};
#endif

// 2^x for x from -126 to 127; outside, the value at the border (AVX-512: the true one). Relative error 1e-7, with AVX-512 1.5e-7.
static inline Lanes exp2_of(Lanes x) {
#if W == 16 && defined(__AVX512F__)
  return exp2_of_less_half(x + 0.5f);
#elif W == 8 && defined(__AVX2__)
  // Where either operand is a NaN the second is taken, so that a NaN stays one.
  x = (Lanes)_mm256_min_ps(_mm256_set1_ps(127.0f), _mm256_max_ps(_mm256_set1_ps(-126.0f), (__m256)x));
  // Adding 1.5 * 2^20 rounds to eighths, whose count is in the low bits: three for the table, the rest is the exponent.
  const Lanes shifted = x + 1572864.0f;
  const Lanes f = x - (shifted - 1572864.0f);
  const __m256i eighths = (__m256i)shifted;
  const __m256i root = _mm256_permutevar8x32_epi32(*(const __m256i*)ROOTS, eighths);
  const Lanes scale = (Lanes)_mm256_add_epi32(root, _mm256_slli_epi32(eighths, 20));
  Lanes p = all(5.549622242e-2f);
  p = p * f + 2.402576300e-1f;
  p = p * f + 6.931472143e-1f;
  return scale * (p * f) + scale;
#else
  // Comparisons are false for a NaN, which therefore stays one.
  x = x < -126.0f ? all(-126.0f) : x;
  x = x > 127.0f ? all(127.0f) : x;
  // Adding 1.5 * 2^23 rounds to a whole number; with 127 more its low bits are a float's exponent.
  const Lanes shifted = x + (12582912.0f + 127.0f);
  const Lanes f = x - (shifted - (12582912.0f + 127.0f));
  return exp2_of_half(f) * (Lanes)((LaneBits)shifted << 23);
#endif
}

static inline Lanes exp2_of_product(Lanes a, Lanes b) {
#if W == 16 && defined(__AVX512F__)
  return exp2_of_less_half(a * b + 0.5f);
#else
  return exp2_of(a * b);
#endif
}

static const float LOG2_E = 1.44269504f;

static inline Lanes exp_of(Lanes x) { return exp2_of(x * LOG2_E); }
static inline Lanes sigmoid_of(Lanes x) { return 1.0f / (1.0f + exp_of(-x)); }

// To one rounding of 1: what is close to 0 keeps fewer digits.
static inline Lanes tanh_of(Lanes x) { return 1.0f - 2.0f / (1.0f + exp_of(2.0f * x)); }

// log(1 + e) for e from 0 to 1 as 2 atanh(e / (2 + e)), which loses nothing where e is small.
static inline Lanes log1p_of(Lanes e) {
  const Lanes s = e / (2.0f + e), z = s * s;
  Lanes p = all(2.817831502e-1f);
  p = p * z + 2.796060718e-1f;
  p = p * z + 4.002490997e-1f;
  p = p * z + 6.666631469e-1f;
  p = p * z + 2.0f;
  return p * s;
}

static inline Lanes softplus_of(Lanes x) {
  const Lanes size = x < 0.0f ? -x : x;
  return (x < 0.0f ? all(0.0f) : x) + log1p_of(exp_of(-size));
}

static inline float sum_of(Lanes x) {
  float total = 0.0f;
  for (int lane = 0; lane < W; lane++) total += x[lane];
  return total;
}

// Rows of a tile: `width` floats in memory (fewer than TILE at the right edge), zeros after them.
static inline void load_row(float* tile, const float* from, long width) {
  if (width == TILE) {
    memcpy(tile, from, sizeof(float) * TILE);
  } else {
    memset(tile, 0, sizeof(float) * TILE);
    memcpy(tile, from, sizeof(float) * width);
  }
}
static inline void store_row(float* to, const float* tile, long width) {
  if (width == TILE) memcpy(to, tile, sizeof(float) * TILE);
  else memcpy(to, tile, sizeof(float) * width);
}

// Always in line: GCC drops calls of functions that only ask for memory.
#define ALWAYS_INLINE_MEMBER inline __attribute__((always_inline))
#define ALWAYS_INLINE static ALWAYS_INLINE_MEMBER

// Asks for the memory of a row of a tile that is worked on later. Tiles are walked with a whole frame between their rows,
// which the processor doesn't foresee: without this a scan waits for memory for a third of its time.
ALWAYS_INLINE void expect_row(const float* row) {
  for (int lane = 0; lane < TILE; lane += 16) __builtin_prefetch(row + lane, 0, 2);
}
ALWAYS_INLINE void expect_row_to_write(const float* row) {
  for (int lane = 0; lane < TILE; lane += 16) __builtin_prefetch(row + lane, 1, 2);
}

// Writes an array. One that is too large to stay in the caches until somebody reads it is written past them: memory that
// is overwritten whole needn't be fetched first, which is half of the traffic.
struct Writer {
  bool past_caches;
  explicit Writer(long floats) : past_caches(floats >= 1 << 18) {}
  // A while before a row is written.
  ALWAYS_INLINE_MEMBER void expect(const float* row) const {
    if (!past_caches) expect_row_to_write(row);
  }
  bool streams(const float* to) const { return past_caches && reinterpret_cast<uintptr_t>(to) % 64 == 0; }
  void row(float* to, const float* tile, long width) const {
    if (width == TILE && streams(to))
      for (int v = 0; v < V; v++) stream(to + v * W, load(tile + v * W));
    else store_row(to, tile, width);
  }
  // W floats, or the fewer that are left. Its neighbours follow at once, so that a cache line goes out whole.
  void part(float* to, Lanes value, long left) const {
    if (left >= W && past_caches && reinterpret_cast<uintptr_t>(to) % sizeof(Lanes) == 0) stream(to, value);
    else store_part(to, value, left);
  }
  // After a thread's last one: from here on other threads see them.
  void finish() const {
#if defined(__AVX2__)
    _mm_sfence();
#endif
  }
};
