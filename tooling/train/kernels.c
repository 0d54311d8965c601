// Fused CPU kernels for training. bf16 tensors are held as uint16_t, everything is row-major, and a
// head has 64 channels.
//
// gcc -O3 -march=native -ffast-math -fopenmp -shared -fPIC kernels.c -o kernels.so -lm

#include <math.h>
#include <stdint.h>
#include <string.h>

#define HEAD 64
#define HALF 32

typedef uint16_t bf16;

static inline float widen(bf16 x) {
  union { uint32_t bits; float value; } v;
  v.bits = (uint32_t)x << 16;
  return v.value;
}

// Round to nearest, ties to even.
static inline bf16 narrow(float x) {
  union { uint32_t bits; float value; } v;
  v.value = x;
  return (bf16)((v.bits + 0x7fff + ((v.bits >> 16) & 1)) >> 16);
}

// Residual sum and RMS norm: sum = x (+ y where given), out = sum * rstd * gain.
// x, sum: fp32 [n, d]; y, out: bf16 [n, d]; gain: fp32 [d]; rstd: fp32 [n].
void add_norm_fwd(const float *x, const bf16 *y, float *sum, const float *gain, bf16 *out,
                  float *rstd, long n, long d, float epsilon) {
#pragma omp parallel for schedule(static, 64)
  for (long i = 0; i < n; i++) {
    const float *xi = x + i * d;
    float *si = sum + i * d;
    if (y) {
      const bf16 *yi = y + i * d;
      for (long j = 0; j < d; j++) si[j] = xi[j] + widen(yi[j]);
    } else {
      memcpy(si, xi, d * sizeof(float));
    }
    float squares = 0;
    for (long j = 0; j < d; j++) squares += si[j] * si[j];
    float scale = 1.0f / sqrtf(squares / d + epsilon);
    rstd[i] = scale;
    bf16 *oi = out + i * d;
    for (long j = 0; j < d; j++) oi[j] = narrow(si[j] * scale * gain[j]);
  }
}

// Adds the gradient of the norm's input to dx (fp32 [n, d]). x is the saved fp32 input, dout the
// bf16 gradient of the output. The gain's gradient comes as 64 partial sums, partial[64, d].
void norm_bwd(float *dx, const float *x, const bf16 *dout, const float *gain, const float *rstd,
              float *partial, long n, long d) {
#pragma omp parallel for schedule(static)
  for (long c = 0; c < 64; c++) {
    float *pc = partial + c * d;
    memset(pc, 0, d * sizeof(float));
    for (long i = c * n / 64; i < (c + 1) * n / 64; i++) {
      const float *xi = x + i * d;
      const bf16 *gi = dout + i * d;
      float *di = dx + i * d;
      float scale = rstd[i], s = 0;
      for (long j = 0; j < d; j++) {
        float g = widen(gi[j]);
        s += g * gain[j] * xi[j];
        pc[j] += g * xi[j] * scale;
      }
      s *= scale * scale * scale / d;
      for (long j = 0; j < d; j++) di[j] += widen(gi[j]) * gain[j] * scale - xi[j] * s;
    }
  }
}

// h = [gate | up], bf16 [n, 2m]; out = silu(gate) * up, bf16 [n, m].
void swiglu_fwd(const bf16 *h, bf16 *out, long n, long m) {
#pragma omp parallel for schedule(static, 64)
  for (long i = 0; i < n; i++) {
    const bf16 *gate = h + i * 2 * m, *up = gate + m;
    bf16 *oi = out + i * m;
    for (long j = 0; j < m; j++) {
      float x = widen(gate[j]);
      oi[j] = narrow(x / (1.0f + expf(-x)) * widen(up[j]));
    }
  }
}

void swiglu_bwd(const bf16 *h, const bf16 *dout, bf16 *dh, long n, long m) {
#pragma omp parallel for schedule(static, 64)
  for (long i = 0; i < n; i++) {
    const bf16 *gate = h + i * 2 * m, *up = gate + m, *gi = dout + i * m;
    bf16 *dgate = dh + i * 2 * m, *dup = dgate + m;
    for (long j = 0; j < m; j++) {
      float x = widen(gate[j]), s = 1.0f / (1.0f + expf(-x)), g = widen(gi[j]);
      dup[j] = narrow(g * x * s);
      dgate[j] = narrow(g * widen(up[j]) * s * (1.0f + x * (1.0f - s)));
    }
  }
}

// Splits qkv [B, T, (H + 2G) * 64] into q [B, G, H / G, T, 64], k and v [B, G, T, 64], and applies
// the rotary embedding (half-split layout; cs, sn: fp32 [T, 32]) to q and k.
void split_rope(const bf16 *qkv, const float *cs, const float *sn, bf16 *q, bf16 *k, bf16 *v, long B,
                long T, long H, long G) {
  long width = (H + 2 * G) * HEAD;
#pragma omp parallel for collapse(2) schedule(static)
  for (long i = 0; i < B; i++) {
    for (long t = 0; t < T; t++) {
      const bf16 *row = qkv + (i * T + t) * width;
      const float *c = cs + t * HALF, *s = sn + t * HALF;
      for (long h = 0; h < H + 2 * G; h++) {
        const bf16 *x = row + h * HEAD;
        bf16 *o;
        if (h < H) {
          o = q + ((i * H + h) * T + t) * HEAD;
        } else if (h < H + G) {
          o = k + ((i * G + h - H) * T + t) * HEAD;
        } else {
          o = v + ((i * G + h - H - G) * T + t) * HEAD;
          memcpy(o, x, HEAD * sizeof(bf16));
          continue;
        }
        for (long j = 0; j < HALF; j++) {
          float a = widen(x[j]), e = widen(x[j + HALF]);
          o[j] = narrow(a * c[j] - e * s[j]);
          o[j + HALF] = narrow(e * c[j] + a * s[j]);
        }
      }
    }
  }
}

// The way back: gathers the gradients of q, k and v into that of qkv, turning q and k back.
void merge_rope_bwd(const bf16 *q, const bf16 *k, const bf16 *v, const float *cs, const float *sn,
                    bf16 *qkv, long B, long T, long H, long G) {
  long width = (H + 2 * G) * HEAD;
#pragma omp parallel for collapse(2) schedule(static)
  for (long i = 0; i < B; i++) {
    for (long t = 0; t < T; t++) {
      bf16 *row = qkv + (i * T + t) * width;
      const float *c = cs + t * HALF, *s = sn + t * HALF;
      for (long h = 0; h < H + 2 * G; h++) {
        bf16 *o = row + h * HEAD;
        const bf16 *x;
        if (h < H) {
          x = q + ((i * H + h) * T + t) * HEAD;
        } else if (h < H + G) {
          x = k + ((i * G + h - H) * T + t) * HEAD;
        } else {
          memcpy(o, v + ((i * G + h - H - G) * T + t) * HEAD, HEAD * sizeof(bf16));
          continue;
        }
        for (long j = 0; j < HALF; j++) {
          float a = widen(x[j]), e = widen(x[j + HALF]);
          o[j] = narrow(a * c[j] + e * s[j]);
          o[j + HALF] = narrow(e * c[j] - a * s[j]);
        }
      }
    }
  }
}

// Causal softmax of scale * S in place. S: bf16 [NR, Q, E]; row qi sees keys 0 .. q0 + qi.
void softmax_fwd(bf16 *S, long NR, long Q, long E, long q0, float scale) {
#pragma omp parallel for collapse(2) schedule(static)
  for (long n = 0; n < NR; n++) {
    for (long i = 0; i < Q; i++) {
      bf16 *p = S + (n * Q + i) * E;
      long m = q0 + i + 1;
      float max = -1e30f, sum = 0;
      float t[2048];
      for (long j = 0; j < m; j++) {
        t[j] = widen(p[j]) * scale;
        max = t[j] > max ? t[j] : max;
      }
      for (long j = 0; j < m; j++) {
        t[j] = expf(t[j] - max);
        sum += t[j];
      }
      sum = 1.0f / sum;
      for (long j = 0; j < m; j++) p[j] = narrow(t[j] * sum);
      if (m < E) memset(p + m, 0, (E - m) * sizeof(bf16));
    }
  }
}

// Turns D, the gradient of the probabilities P, into that of the scores, in place.
void softmax_bwd(const bf16 *P, bf16 *D, long NR, long Q, long E, long q0, float scale) {
#pragma omp parallel for collapse(2) schedule(static)
  for (long n = 0; n < NR; n++) {
    for (long i = 0; i < Q; i++) {
      const bf16 *p = P + (n * Q + i) * E;
      bf16 *d = D + (n * Q + i) * E;
      long m = q0 + i + 1;
      float s = 0;
      for (long j = 0; j < m; j++) s += widen(p[j]) * widen(d[j]);
      for (long j = 0; j < m; j++) d[j] = narrow(widen(p[j]) * (widen(d[j]) - s) * scale);
      if (m < E) memset(d + m, 0, (E - m) * sizeof(bf16));
    }
  }
}

// Cross-entropy. Logits L (bf16 [n, V]) become their gradient: with p their softmax,
//   w * (p - onehot) without a teacher,
//   w * ((1 - a) * (p - teacher) + a * (p - onehot)) with one (bf16 probabilities [n, V]).
// loss[i] = -log p[y[i]]. probs, where given, receives p as bf16.
void ce(bf16 *L, const int64_t *y, const float *w, const bf16 *teacher, bf16 *probs, float a,
        float *loss, long n, long V) {
#pragma omp parallel for schedule(static, 16)
  for (long i = 0; i < n; i++) {
    bf16 *p = L + i * V;
    float max = -1e30f, sum = 0;
    float t[8192];
    for (long j = 0; j < V; j++) {
      t[j] = widen(p[j]);
      max = t[j] > max ? t[j] : max;
    }
    float target = t[y[i]];
    for (long j = 0; j < V; j++) {
      t[j] = expf(t[j] - max);
      sum += t[j];
    }
    loss[i] = max + logf(sum) - target;
    float q = 1.0f / sum, wi = w[i];
    if (probs) {
      bf16 *o = probs + i * V;
      for (long j = 0; j < V; j++) o[j] = narrow(t[j] * q);
    }
    if (teacher) {
      const bf16 *te = teacher + i * V;
      float c = wi * (1 - a);
      for (long j = 0; j < V; j++) t[j] = t[j] * q * wi - c * widen(te[j]);
      t[y[i]] -= wi * a;
    } else {
      q *= wi;
      for (long j = 0; j < V; j++) t[j] *= q;
      t[y[i]] -= wi;
    }
    for (long j = 0; j < V; j++) p[j] = narrow(t[j]);
  }
}

// AdamW on fp32 master weights p with a bf16 copy h. c1 and c2 are the bias corrections, gscale
// scales the gradient (clipping).
void adamw(float *p, bf16 *h, const float *g, float *m, float *v, long n, float lr, float b1,
           float b2, float c1, float c2, float eps, float decay, float gscale) {
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < n; i++) {
    float x = g[i] * gscale;
    m[i] = b1 * m[i] + (1 - b1) * x;
    v[i] = b2 * v[i] + (1 - b2) * x * x;
    float update = (m[i] * c1) / (sqrtf(v[i] * c2) + eps);
    p[i] -= lr * (update + decay * p[i]);
    h[i] = narrow(p[i]);
  }
}
