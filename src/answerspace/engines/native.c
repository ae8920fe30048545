/* The bundled network in 8-bit integers with AVX-512 VNNI: the matrix products of docs/decisions/0004-engine.md.
 *
 * Weights are int8, one scale a column; activations uint8, one scale and zero point a row, found while running, so a
 * text's numbers do not depend on its batch. Attention, norms and GELU are in float32. Texts are rows of tokens behind
 * one another, without padding. Nothing is allocated that is not freed before a call returns; no threads are started:
 * a caller with several cores calls from several threads.
 */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 32 /* of a head */
#define ROWS 6   /* of a register block, by 64 columns: 24 sums in registers */
#define CHUNK 72 /* rows whose wide inner layer stays in the second-level cache */

typedef struct { /* y = x W + b, W packed as (n / 64, k / 4, 64, 4) */
    const int8_t *weight;
    const float *scale;  /* (n) */
    const float *column; /* (n) scale times the sum of the column's integers */
    const float *bias;   /* (n) */
    int64_t k, n;
} Linear;

typedef struct {
    Linear first, out, up, down; /* first: query, key, value, and for a reader the asker's key and value */
    const float *attention_weight, *attention_bias, *output_weight, *output_bias;
} Block;

typedef struct {
    const uint16_t *word;   /* (V, D) half precision */
    const float *position;  /* (P, D), the token type's vector added */
    const float *norm_weight, *norm_bias;
    const Block *blocks;
    const Linear *projection; /* NULL for a reader */
    int64_t layers, dimension, heads, inner;
    float eps;
} Network;

static inline __attribute__((always_inline)) __m512 exp_ps(__m512 x) { /* relative error below 2e-7 for x <= 0 */
    x = _mm512_max_ps(x, _mm512_set1_ps(-87.0f));
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(p, n);
}

static inline __attribute__((always_inline)) __m512 gelu_ps(__m512 x) { /* x/2 (1 + erf(x / sqrt 2)); erf by Abramowitz and Stegun 7.1.26, 2e-7 */
    __m512 z = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(0.70710678f));
    __m512 d = _mm512_fmadd_ps(z, _mm512_set1_ps(0.3275911f), _mm512_set1_ps(1.0f));
    __m512 t = _mm512_rcp14_ps(d);
    t = _mm512_mul_ps(t, _mm512_fnmadd_ps(d, t, _mm512_set1_ps(2.0f)));
    __m512 p = _mm512_set1_ps(1.061405429f);
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-1.453152027f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.421413741f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.284496736f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.254829592f));
    __m512 tail = _mm512_mul_ps(_mm512_mul_ps(p, t), exp_ps(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(z, z))));
    /* x >= 0: x (1 - tail / 2); x < 0: x tail / 2 */
    __m512 half = _mm512_mul_ps(tail, _mm512_set1_ps(0.5f));
    __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
    __m512 share = _mm512_mask_mov_ps(_mm512_sub_ps(_mm512_set1_ps(1.0f), half), negative, half);
    return _mm512_mul_ps(x, share);
}

/* One row, through GELU when ``activate``, to uint8: x = step (q - zero). */
static inline __attribute__((always_inline)) void quantize(float *x, int64_t k, uint8_t *q, float *step, float *shift,
                                                           const int activate) {
    __m512 low = _mm512_setzero_ps(), high = _mm512_setzero_ps();
    for (int64_t i = 0; i < k; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i);
        if (activate) _mm512_storeu_ps(x + i, v = gelu_ps(v));
        low = _mm512_min_ps(low, v);
        high = _mm512_max_ps(high, v);
    }
    float lo = _mm512_reduce_min_ps(low), hi = _mm512_reduce_max_ps(high);
    float s = fmaxf((hi - lo) / 255.0f, 1e-20f), zero = nearbyintf(-lo / s);
    __m512 by = _mm512_set1_ps(1.0f / s), at = _mm512_set1_ps(zero);
    for (int64_t i = 0; i < k; i += 16) {
        __m512i v = _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_loadu_ps(x + i), by, at));
        _mm_storeu_si128((__m128i *)(q + i), _mm512_cvtusepi32_epi8(_mm512_max_epi32(v, _mm512_setzero_si512())));
    }
    *step = s;
    *shift = s * zero;
}

/* Rows written out by the preprocessor: gcc keeps an array of sums in memory, names in registers. */
#define EACH1(DO) DO(0)
#define EACH2(DO) EACH1(DO) DO(1)
#define EACH4(DO) EACH2(DO) DO(2) DO(3)
#define EACH6(DO) EACH4(DO) DO(4) DO(5)

/* The instruction itself: through the intrinsic gcc 12 copies every sum to the stack and back. */
#define dot(sum, bytes, weights) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(weights))

#define SUMS(r) __m512i s##r##0 = _mm512_setzero_si512(), s##r##1 = s##r##0, s##r##2 = s##r##0, s##r##3 = s##r##0;
#define PRODUCT(r)                                                      \
    {                                                                   \
        __m512i v = _mm512_set1_epi32(*(const int32_t *)(a + r * k));   \
        dot(s##r##0, v, b0);                                            \
        dot(s##r##1, v, b1);                                            \
        dot(s##r##2, v, b2);                                            \
        dot(s##r##3, v, b3);                                            \
    }
#define FINISH(r)                                                                   \
    finish(s##r##0, f, column, step[r], shift[r], out + r * stride);      \
    finish(s##r##1, f, column + 16, step[r], shift[r], out + r * stride); \
    finish(s##r##2, f, column + 32, step[r], shift[r], out + r * stride); \
    finish(s##r##3, f, column + 48, step[r], shift[r], out + r * stride);

static inline __attribute__((always_inline)) void finish(__m512i sum, const Linear *f, int64_t n, float step, float shift,
                                                         float *out) {
    __m512 y = _mm512_fnmadd_ps(_mm512_set1_ps(shift), _mm512_loadu_ps(f->column + n), _mm512_loadu_ps(f->bias + n));
    __m512 scale = _mm512_mul_ps(_mm512_set1_ps(step), _mm512_loadu_ps(f->scale + n));
    y = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(sum), y);
    _mm512_storeu_ps(out + n, y);
}

#define TILE(R)                                                                                                   \
    static inline __attribute__((always_inline)) void tile##R(                                                    \
        const uint8_t *a, const int8_t *w, const Linear *f, int64_t column, const float *step, const float *shift, \
        float *out, int64_t stride) {                                                               \
        const int64_t k = f->k;                                                                                   \
        EACH##R(SUMS) for (int64_t i = 0; i < k; i += 4, a += 4, w += 256) {                                      \
            __m512i b0 = _mm512_load_si512(w), b1 = _mm512_load_si512(w + 64);                                    \
            __m512i b2 = _mm512_load_si512(w + 128), b3 = _mm512_load_si512(w + 192);                             \
            EACH##R(PRODUCT)                                                                                      \
        }                                                                                                         \
        EACH##R(FINISH)                                                                                           \
    }
TILE(6)
TILE(4)
TILE(2)
TILE(1)

/* The map's columns from ``column`` on; a multiple of 64. */
static Linear columns_from(const Linear *f, int64_t column) {
    return (Linear){f->weight + column * f->k, f->scale + column, f->column + column, f->bias + column,
                    f->k, f->n - column};
}

/* (rows, k) quantized -> (rows, n) with a stride between rows. */
static void linear(const uint8_t *a, int64_t rows, const Linear *f, const float *step, const float *shift, float *out,
                   int64_t stride) {
    for (int64_t column = 0; column < f->n; column += 64) {
        const int8_t *w = f->weight + column * f->k;
        int64_t r = 0;
        for (; r + ROWS <= rows; r += ROWS)
            tile6(a + r * f->k, w, f, column, step + r, shift + r, out + r * stride, stride);
        if (r + 4 <= rows) {
            tile4(a + r * f->k, w, f, column, step + r, shift + r, out + r * stride, stride);
            r += 4;
        }
        if (r + 2 <= rows) {
            tile2(a + r * f->k, w, f, column, step + r, shift + r, out + r * stride, stride);
            r += 2;
        }
        if (r < rows) tile1(a + r * f->k, w, f, column, step + r, shift + r, out + r * stride, stride);
    }
}

/* Add (if given) and normalise one row, in place of x. */
static inline void norm(float *x, const float *add, int64_t d, const float *weight, const float *bias, float eps) {
    __m512 sum = _mm512_setzero_ps(), square = _mm512_setzero_ps();
    for (int64_t i = 0; i < d; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i);
        if (add) v = _mm512_add_ps(v, _mm512_loadu_ps(add + i));
        _mm512_storeu_ps(x + i, v);
        sum = _mm512_add_ps(sum, v);
    }
    float mean = _mm512_reduce_add_ps(sum) / (float)d;
    __m512 centre = _mm512_set1_ps(mean);
    for (int64_t i = 0; i < d; i += 16) {
        __m512 v = _mm512_sub_ps(_mm512_loadu_ps(x + i), centre);
        square = _mm512_fmadd_ps(v, v, square);
    }
    __m512 by = _mm512_set1_ps(1.0f / sqrtf(_mm512_reduce_add_ps(square) / (float)d + eps));
    for (int64_t i = 0; i < d; i += 16) {
        __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i), centre), by);
        _mm512_storeu_ps(x + i, _mm512_fmadd_ps(v, _mm512_loadu_ps(weight + i), _mm512_loadu_ps(bias + i)));
    }
}

#define SCORES(r) __m512 s##r##0 = _mm512_setzero_ps(), s##r##1 = s##r##0;
#define SCORE(r)                                            \
    {                                                       \
        __m512 q = _mm512_set1_ps(query[r * stride + d]);   \
        s##r##0 = _mm512_fmadd_ps(q, k0, s##r##0);          \
        s##r##1 = _mm512_fmadd_ps(q, k1, s##r##1);          \
    }
#define KEEP(r)                                                                 \
    _mm512_storeu_ps(score + r * padded + j, _mm512_mul_ps(s##r##0, scale));    \
    _mm512_storeu_ps(score + r * padded + j + 16, _mm512_mul_ps(s##r##1, scale));
#define SOFT(r) float by##r = softmax(score + r * padded, count, padded);
#define MIX(r)                                                \
    {                                                         \
        __m512 p = _mm512_set1_ps(score[r * padded + j]);     \
        s##r##0 = _mm512_fmadd_ps(p, v0, s##r##0);            \
        s##r##1 = _mm512_fmadd_ps(p, v1, s##r##1);            \
    }
#define GIVE(r)                                                                       \
    _mm512_storeu_ps(out + r * os, _mm512_mul_ps(s##r##0, _mm512_set1_ps(by##r)));    \
    _mm512_storeu_ps(out + r * os + 16, _mm512_mul_ps(s##r##1, _mm512_set1_ps(by##r)));

/* Exponentials of the first ``count`` scores, zero behind them; one over their sum. */
static inline float softmax(float *row, int64_t count, int64_t padded) {
    for (int64_t j = count; j < padded; j++) row[j] = -1e30f;
    __m512 top = _mm512_set1_ps(-1e30f), sum = _mm512_setzero_ps();
    for (int64_t j = 0; j < padded; j += 16) top = _mm512_max_ps(top, _mm512_loadu_ps(row + j));
    top = _mm512_set1_ps(_mm512_reduce_max_ps(top));
    for (int64_t j = 0; j < count; j += 16) {
        __mmask16 in = (__mmask16)(count - j >= 16 ? 0xffff : (1u << (count - j)) - 1);
        __m512 e = _mm512_maskz_mov_ps(in, exp_ps(_mm512_sub_ps(_mm512_loadu_ps(row + j), top)));
        _mm512_storeu_ps(row + j, e);
        sum = _mm512_add_ps(sum, e);
    }
    return 1.0f / _mm512_reduce_add_ps(sum);
}

/* R queries (stride apart) over ``count`` keys: keys (WIDTH, padded) transposed, values (count, WIDTH) ``vs`` apart. */
#define ATTEND(R)                                                                                                  \
    static inline __attribute__((always_inline)) void attend##R(                                                   \
        const float *query, int64_t stride, const float *keys, int64_t padded, int64_t count, const float *values, \
        int64_t vs, float *score, float *out, int64_t os) {                                                        \
        const __m512 scale = _mm512_set1_ps(0.17677669529f); /* WIDTH ** -0.5 */                                   \
        for (int64_t j = 0; j < padded; j += 32) {                                                                 \
            EACH##R(SCORES) for (int d = 0; d < WIDTH; d++) {                                                      \
                __m512 k0 = _mm512_loadu_ps(keys + d * padded + j), k1 = _mm512_loadu_ps(keys + d * padded + j + 16); \
                EACH##R(SCORE)                                                                                     \
            }                                                                                                      \
            EACH##R(KEEP)                                                                                          \
        }                                                                                                          \
        EACH##R(SOFT) EACH##R(SCORES) for (int64_t j = 0; j < count; j++) {                                        \
            __m512 v0 = _mm512_loadu_ps(values + j * vs), v1 = _mm512_loadu_ps(values + j * vs + 16);              \
            EACH##R(MIX)                                                                                           \
        }                                                                                                          \
        EACH##R(GIVE)                                                                                              \
    }
ATTEND(6)
ATTEND(2)
ATTEND(1)

static void attend_all(const float *query, int64_t rows, int64_t stride, const float *keys, int64_t padded, int64_t count,
                       const float *values, int64_t vs, float *score, float *out, int64_t os) {
    int64_t r = 0;
    for (; r + ROWS <= rows; r += ROWS)
        attend6(query + r * stride, stride, keys, padded, count, values, vs, score, out + r * os, os);
    for (; r + 2 <= rows; r += 2)
        attend2(query + r * stride, stride, keys, padded, count, values, vs, score, out + r * os, os);
    for (; r < rows; r++) attend1(query + r * stride, stride, keys, padded, count, values, vs, score, out + r * os, os);
}

static inline int64_t up_to(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

/* Column ``at`` of ``count`` rows ``stride`` apart, WIDTH of them, as (WIDTH, padded). */
static void transposed(const float *x, int64_t stride, int64_t count, float *out, int64_t padded) {
    __m512i lane = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                      _mm512_set1_epi32((int)stride));
    for (int64_t j = 0; j < count; j += 16) {
        __mmask16 in = (__mmask16)(count - j >= 16 ? 0xffff : (1u << (count - j)) - 1);
        for (int d = 0; d < WIDTH; d++)
            _mm512_storeu_ps(out + d * padded + j,
                             _mm512_mask_i32gather_ps(_mm512_setzero_ps(), in, lane, x + j * stride + d, 4));
    }
}

typedef struct {
    float *x, *first, *found, *wide, *keys, *values, *score, *step, *shift;
    uint8_t *q, *wide_q;
} Room;

static void *aligned(char **at, int64_t bytes) {
    void *made = *at;
    *at += up_to(bytes, 64);
    return made;
}

static char *room_of(Room *m, const Network *net, int64_t rows, int64_t most_keys) {
    int64_t d = net->dimension, first = net->blocks[0].first.n, padded = up_to(most_keys, 32);
    int64_t total = 4 * (rows * (2 * d + first) + CHUNK * (net->inner + 2) + padded * (2 * WIDTH + ROWS)) +
                    CHUNK * (d + net->inner) + 64 * 16;
    char *base = NULL;
    if (posix_memalign((void **)&base, 64, (size_t)total)) return NULL;
    char *at = base;
    m->x = aligned(&at, 4 * rows * d);
    m->first = aligned(&at, 4 * rows * first);
    m->found = aligned(&at, 4 * rows * d);
    m->wide = aligned(&at, 4 * CHUNK * net->inner);
    m->step = aligned(&at, 4 * CHUNK);
    m->shift = aligned(&at, 4 * CHUNK);
    m->keys = aligned(&at, 4 * padded * WIDTH);
    m->values = aligned(&at, 4 * padded * WIDTH);
    m->score = aligned(&at, 4 * padded * ROWS);
    m->q = aligned(&at, CHUNK * d);
    m->wide_q = aligned(&at, CHUNK * net->inner);
    return base;
}

static void quantized(float *x, int64_t rows, int64_t k, uint8_t *q, Room *m) {
    for (int64_t r = 0; r < rows; r++) quantize(x + r * k, k, q + r * k, m->step + r, m->shift + r, 0);
}

static void activated(float *x, int64_t rows, int64_t k, uint8_t *q, Room *m) {
    for (int64_t r = 0; r < rows; r++) quantize(x + r * k, k, q + r * k, m->step + r, m->shift + r, 1);
}

static void embed(const Network *net, const int64_t *ids, const int64_t *places, int64_t rows, float *x) {
    int64_t d = net->dimension;
    for (int64_t r = 0; r < rows; r++) {
        const uint16_t *word = net->word + ids[r] * d;
        const float *position = net->position + places[r] * d;
        for (int64_t i = 0; i < d; i += 16) {
            __m512 v = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(word + i)));
            _mm512_storeu_ps(x + r * d + i, _mm512_add_ps(v, _mm512_loadu_ps(position + i)));
        }
        norm(x + r * d, NULL, d, net->norm_weight, net->norm_bias, net->eps);
    }
}

/* Query, key, value and so on of every row, from ``column`` on. */
static void first_step(const Network *net, const Block *block, int64_t rows, int64_t column, Room *m) {
    int64_t d = net->dimension, n = block->first.n;
    Linear wanted = columns_from(&block->first, column);
    for (int64_t r = 0; r < rows; r += CHUNK) {
        int64_t some = rows - r < CHUNK ? rows - r : CHUNK;
        quantized(m->x + r * d, some, d, m->q, m);
        linear(m->q, some, &wanted, m->step, m->shift, m->first + r * n + column, n);
    }
}

static void rest_of_block(const Network *net, const Block *block, int64_t rows, Room *m) {
    int64_t d = net->dimension;
    for (int64_t r = 0; r < rows; r += CHUNK) {
        int64_t some = rows - r < CHUNK ? rows - r : CHUNK;
        float *x = m->x + r * d, *found = m->found + r * d;
        quantized(found, some, d, m->q, m);
        linear(m->q, some, &block->out, m->step, m->shift, found, d);
        for (int64_t i = 0; i < some; i++)
            norm(x + i * d, found + i * d, d, block->attention_weight, block->attention_bias, net->eps);
        quantized(x, some, d, m->q, m);
        linear(m->q, some, &block->up, m->step, m->shift, m->wide, net->inner);
        activated(m->wide, some, net->inner, m->wide_q, m);
        linear(m->wide_q, some, &block->down, m->step, m->shift, found, d);
        for (int64_t i = 0; i < some; i++)
            norm(x + i * d, found + i * d, d, block->output_weight, block->output_bias, net->eps);
    }
}

static void half_row(const float *x, uint16_t *out) {
    _mm256_storeu_si256((__m256i *)out, _mm512_cvtps_ph(_mm512_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT));
    _mm256_storeu_si256((__m256i *)(out + 16), _mm512_cvtps_ph(_mm512_loadu_ps(x + 16), _MM_FROUND_TO_NEAREST_INT));
}

/* Texts of ``lengths`` tokens, one behind the other in ``ids`` and ``places``. For each layer the asker's keys
 * (heads, WIDTH, wide) and values (heads, wide, WIDTH) of text t go to keys[layer] and values[layer] + t times their
 * size, in half precision, zero behind the text; pooled is (texts, D), or NULL: then the last block, which nothing else
 * looks at, is left out. Returns 0, or 1 without memory. */
int read_texts(const Network *net, int64_t texts, const int64_t *lengths, const int64_t *ids, const int64_t *places,
               int64_t wide, uint16_t *const *keys, uint16_t *const *values, float *pooled) {
    int64_t d = net->dimension, n = net->blocks[0].first.n, rows = 0, longest = 0;
    for (int64_t t = 0; t < texts; t++) {
        rows += lengths[t];
        if (lengths[t] > longest) longest = lengths[t];
    }
    Room m;
    char *base = room_of(&m, net, rows, longest);
    if (!base) return 1;
    embed(net, ids, places, rows, m.x);
    for (int64_t layer = 0; layer < net->layers; layer++) {
        const Block *block = net->blocks + layer;
        int whole = pooled || layer + 1 < net->layers;
        first_step(net, block, rows, whole ? 0 : 3 * d, &m);
        int64_t begin = 0;
        for (int64_t t = 0; t < texts; t++) {
            int64_t count = lengths[t], padded = up_to(count, 32);
            for (int64_t h = 0; h < net->heads; h++) {
                const float *row = m.first + begin * n + h * WIDTH;
                memset(m.keys, 0, (size_t)(4 * padded * WIDTH));
                if (whole) {
                    transposed(row + d, n, count, m.keys, padded);
                    attend_all(row, count, n, m.keys, padded, count, row + 2 * d, n, m.score,
                               m.found + begin * d + h * WIDTH, d);
                }
                /* what the asker will look at */
                uint16_t *key = keys[layer] + (t * net->heads + h) * WIDTH * wide;
                uint16_t *value = values[layer] + (t * net->heads + h) * WIDTH * wide;
                transposed(row + 3 * d, n, count, m.keys, padded);
                for (int k = 0; k < WIDTH; k++)
                    for (int64_t j = 0; j < wide; j += 16) {
                        __mmask16 in = (__mmask16)(wide - j >= 16 ? 0xffff : (1u << (wide - j)) - 1);
                        __m512 v = j < padded ? _mm512_loadu_ps(m.keys + k * padded + j) : _mm512_setzero_ps();
                        _mm256_mask_storeu_epi16(key + k * wide + j, in, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
                    }
                for (int64_t j = 0; j < count; j++) half_row(row + 4 * d + j * n, value + j * WIDTH);
                memset(value + count * WIDTH, 0, (size_t)(2 * (wide - count) * WIDTH));
            }
            begin += count;
        }
        if (whole) rest_of_block(net, block, rows, &m);
    }
    const float *x = m.x;
    for (int64_t t = 0; pooled && t < texts; t++) {
        float *mean = pooled + t * d;
        memset(mean, 0, (size_t)(4 * d));
        for (int64_t j = 0; j < lengths[t]; j++, x += d)
            for (int64_t i = 0; i < d; i++) mean[i] += x[i];
        for (int64_t i = 0; i < d; i++) mean[i] /= (float)lengths[t];
    }
    free(base);
    return 0;
}

static int all_alike(const int64_t *ids, const int64_t *asked, int64_t texts, int64_t T) {
    for (int64_t t = 1; t < texts; t++)
        if (asked[t] != asked[0] || memcmp(ids, ids + t * T, (size_t)(8 * T))) return 0;
    return 1;
}

/* The first ``known`` numbers of x again and again, up to ``count``. */
static void repeat(float *x, int64_t known, int64_t count) {
    for (int64_t i = known; i < count; i += known) memcpy(x + i, x, (size_t)(4 * known));
}

/* The rows of x that count are (texts, T); keep of each text the ``slots`` that end at asked[t], one behind the other. */
static void keep_slots(float *x, int64_t texts, int64_t T, int64_t slots, const int64_t *asked, int64_t d) {
    for (int64_t t = 0; t < texts; t++)
        memmove(x + t * slots * d, x + (t * T + asked[t] - slots) * d, (size_t)(4 * slots * d));
}

/* Question tokens (texts, T) with ``asked`` of each row real, over what read_texts gave. states[layer] (texts, T, D)
 * is written where it is not NULL; layer 0 is the embeddings, the last one is projected. With ``slots`` > 0 only the last
 * layer's states of the last ``slots`` real tokens are wanted, as (texts, slots, D). */
int ask_texts(const Network *net, int64_t texts, const int64_t *lengths, int64_t wide, const uint16_t *const *keys,
              const uint16_t *const *values, int64_t T, const int64_t *asked, const int64_t *ids,
              const int64_t *places, int64_t slots, float *const *states) {
    int64_t d = net->dimension, n = net->blocks[0].first.n, rows = texts * T;
    Room m;
    char *base = room_of(&m, net, rows, wide + T + 32);
    if (!base) return 1;
    int64_t different = all_alike(ids, asked, texts, T) ? T : rows; /* one question: its first step is every text's */
    embed(net, ids, places, different, m.x);
    repeat(m.x, different * d, rows * d);
    if (states[0]) memcpy(states[0], m.x, (size_t)(4 * rows * d));
    for (int64_t layer = 0; layer < net->layers; layer++) {
        const Block *block = net->blocks + layer;
        int some = slots && layer + 1 == net->layers;
        first_step(net, block, layer ? rows : different, 0, &m);
        if (!layer) repeat(m.first, different * n, rows * n);
        for (int64_t t = 0; t < texts; t++) {
            int64_t known = lengths[t], count = known + asked[t], padded = up_to(count, 32);
            int64_t from = some ? asked[t] - slots : 0, queries = some ? slots : T;
            for (int64_t h = 0; h < net->heads; h++) {
                const float *row = m.first + t * T * n + h * WIDTH;
                const uint16_t *key = keys[layer] + (t * net->heads + h) * WIDTH * wide;
                const uint16_t *value = values[layer] + (t * net->heads + h) * WIDTH * wide;
                for (int k = 0; k < WIDTH; k++) {
                    float *to = m.keys + k * padded;
                    for (int64_t j = 0; j < known; j += 16) {
                        __mmask16 in = (__mmask16)(known - j >= 16 ? 0xffff : (1u << (known - j)) - 1);
                        __m256i v = _mm256_maskz_loadu_epi16(in, key + k * wide + j);
                        _mm512_mask_storeu_ps(to + j, in, _mm512_cvtph_ps(v));
                    }
                    for (int64_t j = 0; j < asked[t]; j++) to[known + j] = row[d + j * n + k];
                    for (int64_t j = count; j < padded; j++) to[j] = 0.0f;
                }
                for (int64_t j = 0; j < known; j++)
                    for (int k = 0; k < WIDTH; k += 16)
                        _mm512_storeu_ps(m.values + j * WIDTH + k,
                                         _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(value + j * WIDTH + k))));
                for (int64_t j = 0; j < asked[t]; j++)
                    memcpy(m.values + (known + j) * WIDTH, row + 2 * d + j * n, 4 * WIDTH);
                attend_all(row + from * n, queries, n, m.keys, padded, count, m.values, WIDTH, m.score,
                           m.found + (t * T + from) * d + h * WIDTH, d);
            }
        }
        if (some) {
            keep_slots(m.x, texts, T, slots, asked, d);
            keep_slots(m.found, texts, T, slots, asked, d);
            rows = texts * slots;
        }
        rest_of_block(net, block, rows, &m);
        if (layer + 1 < net->layers && states[layer + 1]) memcpy(states[layer + 1], m.x, (size_t)(4 * rows * d));
    }
    if (states[net->layers])
        for (int64_t r = 0; r < rows; r += CHUNK) {
            int64_t some = rows - r < CHUNK ? rows - r : CHUNK;
            quantized(m.x + r * d, some, d, m.q, &m);
            linear(m.q, some, net->projection, m.step, m.shift, states[net->layers] + r * d, d);
        }
    free(base);
    return 0;
}
