/* SPDX-License-Identifier: MIT */
#include "server/proto/scan_x86.h"

/*
 * Sixteen or thirty-two bytes at a time. Set membership is two shuffles: the
 * low nibble picks a row of the set, the high nibble a bit of that row; bytes
 * from 0x80 pick row 0 and no bit. A rest shorter than a vector goes to the
 * plain variant (eight at a time at first), so nothing beyond `end` is ever read.
 */

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET_SSE42 __attribute__((target("sse4.2")))
#define TARGET_AVX2 __attribute__((target("avx2")))

static const char *rest_find_ctl(const char *p, const char *end)
{
    return gn_scan_variant(0)->find_ctl(p, end);
}

static const char *rest_skip(const char *p, const char *end, const struct gn_byte_set *set)
{
    return gn_scan_variant(0)->skip(p, end, set);
}

TARGET_SSE42 static unsigned ctl_mask16(const char *p)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
    __m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
}

TARGET_SSE42 static const char *find_ctl_sse42(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned mask = ctl_mask16(p);

        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
    }
    return rest_find_ctl(p, end);
}

/* Bit i is set when byte i of x is not in the set. */
TARGET_SSE42 static inline unsigned outside_mask(__m128i x, __m128i rows)
{
    const __m128i bits = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)-128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i nibble = _mm_set1_epi8(0x0f);
    __m128i row = _mm_shuffle_epi8(rows, _mm_and_si128(x, nibble));
    __m128i bit = _mm_shuffle_epi8(bits, _mm_and_si128(_mm_srli_epi16(x, 4), nibble));

    return (unsigned)_mm_movemask_epi8(
            _mm_cmpeq_epi8(_mm_and_si128(row, bit), _mm_setzero_si128()));
}

TARGET_SSE42 static const char *skip_sse42(
        const char *p, const char *end, const struct gn_byte_set *set)
{
    const __m128i rows = _mm_loadu_si128((const __m128i *)(const void *)set->rows);
    unsigned mask;

    for (; end - p >= 16; p += 16) {
        mask = outside_mask(_mm_loadu_si128((const __m128i *)(const void *)p), rows);
        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
    }
    if (end - p >= 8) {
        mask = outside_mask(_mm_loadl_epi64((const __m128i *)(const void *)p), rows) & 0xff;
        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
        p += 8;
    }
    return rest_skip(p, end, set);
}

TARGET_AVX2 static const char *find_ctl_avx2(const char *p, const char *end)
{
    const __m256i top = _mm256_set1_epi8(0x1f);
    const __m256i ht = _mm256_set1_epi8('\t');
    const __m256i rub = _mm256_set1_epi8(0x7f);

    for (; end - p >= 32; p += 32) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p);
        __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(x, top), x);
        __m256i tab = _mm256_cmpeq_epi8(x, ht);
        __m256i del = _mm256_cmpeq_epi8(x, rub);
        unsigned mask =
                (unsigned)_mm256_movemask_epi8(_mm256_or_si256(_mm256_andnot_si256(tab, low), del));

        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
    }
    return find_ctl_sse42(p, end);
}

/* Names and targets seldom pass 32 bytes, so wider vectors would gain nothing here. */
static const struct gn_scan sse42 = {
        .name = "sse4.2", .find_ctl = find_ctl_sse42, .skip = skip_sse42};
static const struct gn_scan avx2 = {.name = "avx2", .find_ctl = find_ctl_avx2, .skip = skip_sse42};

const struct gn_scan *const gn_scan_sse42 = &sse42;
const struct gn_scan *const gn_scan_avx2 = &avx2;

#else

const struct gn_scan *const gn_scan_sse42 = NULL;
const struct gn_scan *const gn_scan_avx2 = NULL;

#endif
