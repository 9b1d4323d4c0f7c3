/* SPDX-License-Identifier: MIT */
#include "server/proto/http_date.h"

#include "server/base/ascii.h"

/*
 * Days and civil dates convert by counting years from March, so that the leap
 * day is the last of its year and months have a regular pattern of lengths;
 * 400 years repeat exactly. Parsing reads a small format string, one letter
 * per field, for each of the three forms.
 */

static const char day_names[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
static const char *const long_day_names[7] = {
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
static const char month_names[12][4] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

enum { S_PER_DAY = 86400 };

#define YEAR_1_S INT64_C(-62135596800)    /* 0001-01-01 00:00:00 */
#define YEAR_9999_S INT64_C(253402300799) /* 9999-12-31 23:59:59 */

struct civil {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
    unsigned hour, minute, second;
};

/* Days since 1970-01-01; any year from 1. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static void civil_of(int64_t days, struct civil *out)
{
    int64_t z = days + 719468;
    int64_t era = z / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    out->day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    out->month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    out->year = yoe + era * 400 + (out->month <= 2);
}

static void put_digits(char *at, unsigned value, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

void gn_http_date_format(int64_t unix_s, char text_out[GN_HTTP_DATE_BYTES])
{
    int64_t s = GN_MIN(GN_MAX(unix_s, YEAR_1_S), YEAR_9999_S) - YEAR_1_S;
    int64_t days = s / S_PER_DAY + YEAR_1_S / S_PER_DAY;
    unsigned second_of_day = (unsigned)(s % S_PER_DAY);
    struct civil c;

    civil_of(days, &c);
    memcpy(text_out, "Thu, 01 Jan 1970 00:00:00 GMT", GN_HTTP_DATE_BYTES);
    memcpy(text_out, day_names[(days % 7 + 7) % 7], 3);
    put_digits(text_out + 5, c.day, 2);
    memcpy(text_out + 8, month_names[c.month - 1], 3);
    put_digits(text_out + 12, (unsigned)c.year, 4);
    put_digits(text_out + 17, second_of_day / 3600, 2);
    put_digits(text_out + 20, second_of_day / 60 % 60, 2);
    put_digits(text_out + 23, second_of_day % 60, 2);
}

/* Reads exactly n digits at `*rest`. */
static bool take_number(struct gn_slice *rest, size_t n, unsigned *value_out)
{
    unsigned value = 0;

    if (rest->len < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!gn_ascii_is_digit(rest->ptr[i])) {
            return false;
        }
        value = value * 10 + (unsigned)(rest->ptr[i] - '0');
    }
    *rest = gn_slice_skip(*rest, n);
    *value_out = value;
    return true;
}

static bool take_month(struct gn_slice *rest, unsigned *month_out)
{
    for (unsigned m = 0; m < 12; m++) {
        if (gn_slice_starts_with(*rest, gn_slice_of(month_names[m], 3))) {
            *rest = gn_slice_skip(*rest, 3);
            *month_out = m + 1;
            return true;
        }
    }
    return false;
}

static bool take_day_name(struct gn_slice *rest, bool is_long)
{
    for (int i = 0; i < 7; i++) {
        struct gn_slice name = gn_slice_str(long_day_names[i]);

        if (!is_long) {
            name.len = 3;
        }
        if (gn_slice_starts_with(*rest, name)) {
            *rest = gn_slice_skip(*rest, name.len);
            return true;
        }
    }
    return false;
}

/* asctime writes the day of the month with a space for its leading zero. */
static bool take_padded_day(struct gn_slice *rest, unsigned *day_out)
{
    if (rest->len > 0 && rest->ptr[0] == ' ') {
        *rest = gn_slice_skip(*rest, 1);
        return take_number(rest, 1, day_out);
    }
    return take_number(rest, 2, day_out);
}

static bool take_time(struct gn_slice *rest, struct civil *c)
{
    if (!take_number(rest, 2, &c->hour) || rest->len < 1 || rest->ptr[0] != ':') {
        return false;
    }
    *rest = gn_slice_skip(*rest, 1);
    if (!take_number(rest, 2, &c->minute) || rest->len < 1 || rest->ptr[0] != ':') {
        return false;
    }
    *rest = gn_slice_skip(*rest, 1);
    return take_number(rest, 2, &c->second);
}

/*
 * One field per letter, other bytes stand for themselves: w and W the short
 * and long name of a weekday, d and D the day plain and padded, m the month,
 * y a year of two digits, Y one of four, t the time.
 */
static bool matches(struct gn_slice rest, const char *form, struct civil *c)
{
    unsigned year = 0;

    for (; *form != '\0'; form++) {
        bool ok;

        switch (*form) {
        case 'w':
        case 'W':
            ok = take_day_name(&rest, *form == 'W');
            break;
        case 'd':
            ok = take_number(&rest, 2, &c->day);
            break;
        case 'D':
            ok = take_padded_day(&rest, &c->day);
            break;
        case 'm':
            ok = take_month(&rest, &c->month);
            break;
        case 'y':
        case 'Y':
            ok = take_number(&rest, *form == 'Y' ? 4 : 2, &year);
            c->year = year;
            break;
        case 't':
            ok = take_time(&rest, c);
            break;
        default:
            ok = rest.len > 0 && rest.ptr[0] == *form;
            rest = gn_slice_skip(rest, 1);
            break;
        }
        if (!ok) {
            return false;
        }
    }
    return rest.len == 0;
}

static bool is_real(const struct civil *c)
{
    static const uint8_t days_in[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);

    return c->year >= 1 && c->day >= 1 && c->day <= days_in[c->month - 1] &&
            (c->month != 2 || c->day < 29 || is_leap) && c->hour < 24 && c->minute < 60 &&
            c->second <= 60;
}

static int64_t century_year(int64_t two_digits, int64_t now_unix_s)
{
    struct civil now;
    int64_t year;

    civil_of((now_unix_s - YEAR_1_S) / S_PER_DAY + YEAR_1_S / S_PER_DAY, &now);
    year = now.year / 100 * 100 + two_digits;
    return year > now.year + 50 ? year - 100 : year;
}

enum gn_err gn_http_date_parse(struct gn_slice text, int64_t now_unix_s, int64_t *unix_s_out)
{
    struct civil c = {.year = 0, .month = 1};

    if (matches(text, "W, d-m-y t GMT", &c)) {
        c.year = century_year(c.year, GN_MIN(GN_MAX(now_unix_s, 0), YEAR_9999_S));
    } else if (!matches(text, "w, d m Y t GMT", &c) && !matches(text, "w m D t Y", &c)) {
        return GN_ERR_INVALID;
    }
    if (!is_real(&c)) {
        return GN_ERR_INVALID;
    }
    *unix_s_out =
            days_of(c.year, c.month, c.day) * S_PER_DAY + c.hour * 3600 + c.minute * 60 + c.second;
    return GN_OK;
}
