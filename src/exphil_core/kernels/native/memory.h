// Scratch memory of a call: one block, cut into pieces that start on cache lines.
#pragma once
#include <cstdint>
#include <cstdlib>

struct Block {
  char* raw;
  explicit Block(size_t floats) : raw(static_cast<char*>(malloc(floats * sizeof(float) + 64))) {}
  ~Block() { free(raw); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  bool empty() const { return raw == nullptr; }
  float* start() const { return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(raw) + 63) & ~uintptr_t(63)); }
};

static inline long rounded(long floats) { return (floats + 15) / 16 * 16; }

// Hands out pieces one after the other. With a null start it only counts, which is how the size is found.
struct Cutter {
  float* next;
  long used = 0;
  explicit Cutter(float* start) : next(start) {}
  float* cut(long floats) {
    float* piece = next ? next + used : nullptr;
    used += rounded(floats);
    return piece;
  }
  // A piece for a structure that holds nothing but floats.
  template <class Floats>
  Floats* cut_for() {
    return reinterpret_cast<Floats*>(cut(sizeof(Floats) / sizeof(float)));
  }
};

// Gradients of weights are summed over the batch in so many groups, whatever the number of threads: the same sums in
// the same order give the same bits.
static const long GROUPS = 16;

static inline long least(long a, long b) { return a < b ? a : b; }
