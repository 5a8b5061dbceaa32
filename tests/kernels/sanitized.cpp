// Runs every function of the kernel over ragged shapes, each tensor in a buffer of exactly its size.
#include <cstdio>
#include <vector>

#include "kernel.cpp"

static float* tensor(std::vector<std::vector<float>*>& all, long floats, float scale) {
  auto* made = new std::vector<float>(floats);
  for (long i = 0; i < floats; i++) (*made)[i] = scale * static_cast<float>((i * 7919 + 13) % 1000 - 500) / 500.0f;
  made->shrink_to_fit();
  all.push_back(made);
  return made->data();
}

static void scan(long B, long T, long E, long N) {
  std::vector<std::vector<float>*> all;
  auto make = [&](long floats, float scale = 1.0f) { return tensor(all, floats, scale); };
  ScanArguments a = {};
  const long wide = B * T * E, narrow = B * T * N, kept = (T + CHUNK - 1) / CHUNK - 1;
  a.u = make(wide), a.step = make(wide), a.b = make(narrow), a.c = make(narrow), a.gate = make(wide);
  a.A = make(E * N, -1.0f), a.D = make(E), a.bias = make(E), a.before = make(B * E * N);
  a.y = make(wide), a.last = make(B * E * N), a.checkpoints = make(B * kept * N * E);
  a.dy = make(wide), a.dlast = make(B * E * N);
  a.du = make(wide), a.dstep = make(wide), a.db = make(narrow), a.dc = make(narrow), a.dgate = make(wide);
  a.dA = make(E * N), a.dD = make(E), a.dbias = make(E), a.dbefore = make(B * E * N);
  a.u_batch = a.step_batch = a.gate_batch = a.dy_batch = T * E, a.u_frame = a.step_frame = a.gate_frame = a.dy_frame = E;
  a.b_batch = a.c_batch = T * N, a.b_frame = a.c_frame = N;
  a.batch = B, a.frames = T, a.channels = E, a.states = N, a.threads = 1;
  if (exphil_scan_forward(&a) || exphil_scan_backward(&a)) abort();
  for (auto* one : all) delete one;
}

static void convolution(long B, long T, long E, long K) {
  std::vector<std::vector<float>*> all;
  auto make = [&](long floats) { return tensor(all, floats, 1.0f); };
  ConvolutionArguments a = {};
  a.x = make(B * T * E), a.weight = make(E * K), a.bias = make(E), a.before = make(B * (K - 1) * E);
  a.y = make(B * T * E), a.dy = make(B * T * E), a.dx = make(B * T * E), a.dweight = make(E * K), a.dbias = make(E);
  a.dbefore = make(B * (K - 1) * E);
  a.x_batch = a.dy_batch = T * E, a.x_frame = a.dy_frame = E;
  a.batch = B, a.frames = T, a.channels = E, a.taps = K, a.threads = 1;
  if (exphil_convolution_forward(&a) || exphil_convolution_backward(&a)) abort();
  for (auto* one : all) delete one;
}

static void recurrent(long B, long T, long H, long threads) {
  std::vector<std::vector<float>*> all;
  auto make = [&](long floats) { return tensor(all, floats, 1.0f); };
  GruArguments a = {};
  a.gates = make(B * T * 3 * H), a.weight = make(3 * H * H), a.bias = make(3 * H), a.before = make(B * H);
  a.y = make(B * T * H), a.kept = make(B * T * 4 * H), a.dy = make(B * T * H);
  a.dgates = make(B * T * 3 * H), a.ds = make(B * T * H), a.dbefore = make(B * H);
  a.batch = B, a.frames = T, a.width = H, a.threads = threads;
  if (exphil_gru_forward(&a) || exphil_gru_backward(&a)) abort();
  for (auto* one : all) delete one;
}

static void step(long B, long E, long N, long K, long R) {
  std::vector<std::vector<float>*> all;
  auto make = [&](long floats) { return tensor(all, floats, 1.0f); };
  StepArguments a = {};
  a.entering = make(B * 2 * E), a.filter = make(E * K), a.filter_bias = make(E);
  a.projection = make((R + 2 * N) * E), a.step_weight = make(E * R), a.step_bias = make(E);
  a.A_log = make(E * N), a.D = make(E), a.past = make(B * (K - 1) * E), a.before = make(B * E * N);
  a.y = make(B * E), a.past_after = make(B * (K - 1) * E), a.after = make(B * E * N);
  a.batch = B, a.channels = E, a.states = N, a.taps = K, a.rank = R, a.threads = 1;
  if (exphil_mamba_step(&a)) abort();
  for (auto* one : all) delete one;
}

static void frame(long B, long inputs, long outputs, long heads, long each, long window) {
  std::vector<std::vector<float>*> all;
  auto make = [&](long floats) { return tensor(all, floats, 1.0f); };
  LinearArguments l = {};
  l.x = make(B * inputs), l.weight = make(outputs * inputs), l.bias = make(outputs), l.y = make(B * outputs);
  l.batch = B, l.inputs = inputs, l.outputs = outputs, l.bends = 1;
  AttentionArguments a = {};
  const long D = heads * each;
  a.entered = make(B * 3 * D), a.bias = make(heads * window), a.past = make(B * (window - 1) * 2 * D);
  a.filled = make(B * (window - 1)), a.y = make(B * D), a.seen = make(B * window * 2 * D);
  a.filled_after = make(B * window);
  a.batch = B, a.width = D, a.heads = heads, a.window = window;
  if (exphil_linear(&l) || exphil_attention_step(&a)) abort();
  for (auto* one : all) delete one;
}

static void draw_controllers(long n, long width, long cells_x, long cells_y, bool told) {
  std::vector<std::vector<float>*> all;
  auto make = [&](long floats) { return tensor(all, floats, 1.0f); };
  std::vector<PartArguments> parts;
  for (long cells : {cells_x, cells_y}) {
    const bool given = !parts.empty();
    const long rows = given ? cells_x : 1;
    PartArguments part = {make(width), make(width), make(cells * width), make(cells), make(width), make(1),
                          make(rows * cells), make(rows)};
    for (long i = 0; i < rows; i++) const_cast<float*>(part.odds)[i] = 0.5f;
    if (told && !given) part.told_value = make(cells * width), part.told_change = make(2 * width);
    part.cells = cells, part.given_x = given;
    parts.push_back(part);
  }
  std::vector<int64_t> last(2 * n), chosen(2 * n);
  std::vector<double> uniform(2 * n);
  std::vector<uint8_t> possible(cells_x * cells_y, 1);
  for (long i = 0; i < 2 * n; i++) last[i] = i % (i % 2 ? cells_y : cells_x), uniform[i] = (i * 37 % 100) / 100.0;
  DrawArguments a = {parts.data(), make(n * width), last.data(), uniform.data(), possible.data(), chosen.data()};
  a.count = n, a.width = width, a.parts_count = 2, a.most_cells = cells_x > cells_y ? cells_x : cells_y, a.threads = 1;
  a.norm_epsilon = 1e-5f, a.impossible = -1e9f;
  for (float temperature : {0.0f, 1.0f}) {
    a.temperature = temperature;
    if (exphil_draw(&a)) abort();
    for (long i = 0; i < 2 * n; i++)
      if (chosen[i] < 0 || chosen[i] >= (i % 2 ? cells_y : cells_x)) abort();
  }
  for (auto* one : all) delete one;
}

int main() {
  for (long width : {1, 5, 16, 33})
    for (long cells : {1, 3, 17}) draw_controllers(4, width, cells, cells + 2, width > 5);
  for (long T : {1, 2, 31, 32, 33, 64, 65, 100})
    for (long E : {1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 50, 64, 65})
      for (long N : {1, 3, 16, 17}) scan(2, T, E, N);
  for (long T : {1, 2, 3, 33})
    for (long E : {1, 7, 8, 16, 31, 33, 64})
      for (long K : {1, 2, 3, 4, 5}) convolution(3, T, E, K);
  for (long B : {1, 2, 5, 6, 7, 13})
    for (long H : {1, 5, 8, 16, 21, 22, 33, 64, 65})
      for (long threads : {1, 3}) recurrent(B, 3, H, threads);
  for (long E : {1, 7, 16, 33})
    for (long N : {1, 5, 16})
      for (long K : {1, 2, 4})
        for (long R : {1, 3, 16}) step(2, E, N, K, R);
  for (long B : {1, 3})
    for (long size : {1, 3, 4, 17, 33})
      for (long window : {1, 2, 18}) frame(B, size, size + 2, 1 + size % 3, size, window);
  printf("passed with %d lanes\n", W);
}
