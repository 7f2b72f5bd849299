/* SPDX-License-Identifier: MIT */
/* What is printed for a person: as printf prints it, but that no name commands the terminal. */
#include "base/terminal.h"
#include "base/utf8.h"
#include "check.h"

__attribute__((format(printf, 1, 2))) static char *text_of(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = cyf_terminal_text(format, arguments);
  va_end(arguments);
  assert_non_null(text);
  return text;
}

#define assert_prints(wanted, ...)        \
  do {                                    \
    char *text_ = text_of(__VA_ARGS__);   \
    assert_string_equal(text_, (wanted)); \
    free(text_);                          \
  } while (0)

/* Every kind of conversion that a call uses, beside the C library's own result. */
#define assert_as_printf(...)                 \
  do {                                        \
    char own_[256];                           \
    snprintf(own_, sizeof own_, __VA_ARGS__); \
    assert_prints(own_, __VA_ARGS__);         \
  } while (0)

static void numbers_and_plain_texts_are_as_printf_has_them(void **state) {
  (void)state;
  assert_as_printf("%d|%5d|%-5d|%05d|%+d|% d|%i", 1, 2, 3, 4, 5, 6, -7);
  assert_as_printf("%u %x %X %#x %c", 8u, 255u, 255u, 255u, 'c');
  assert_as_printf("%ld %lld %llu %lx %zu %09lld", -1l, -2ll, 3ull, 255ul, (size_t)4, 5ll);
  assert_as_printf("%g %.3g %6.2f %e %-8.1f|%.17g", 1.5, 0.12345, 3.14159, 1e9, 2.5, 0.1);
  assert_as_printf("%*d|%-*d|%.*f", 6, 7, 6, 8, 2, 1.239);
  assert_as_printf("%s|%10s|%-10s|%.3s|%-6.2s|%*s", "abc", "right", "left", "cut off", "cut", 5, "to");
  assert_as_printf("100 %% of %s\n\t%s", "it", "");
  assert_prints("line\n\tnext", "line\n\t%s", "next"); /* the format's own */
}

static void no_name_commands_the_terminal(void **state) {
  (void)state;
  assert_prints("\\x1b[31mred\\x1b[0m", "%s", "\x1b[31mred\x1b[0m");
  assert_prints("a\\nb\\tc\\rd\\be\\ff", "%s", "a\nb\tc\rd\be\ff");
  assert_prints("\\x07 \\x7f \\x01", "%s", "\a \x7f \x01");
  assert_prints("\\u009b31m", "%s",
                "\xc2\x9b"
                "31m"); /* C1: the same command in one character */
  assert_prints("\\x9b31m", "%s",
                "\x9b"
                "31m");                                              /* and in one byte */
  assert_prints("\\xff\\xc3(\\xe2\\x82", "%s", "\xff\xc3(\xe2\x82"); /* no UTF-8 */
  assert_prints("\\u202eevil\\u2069", "%s",
                "\u202e"
                "evil"
                "\u2069");
  assert_prints("β-cells, naïve, 細胞, 🧬", "%s", "β-cells, naïve, 細胞, 🧬");
}

/* Columns line up by characters, not by bytes. A character that a precision cuts is shown by its bytes. */
static void widths_count_characters(void **state) {
  (void)state;
  assert_prints("β   |   β|", "%-4s|%4s|", "β", "β");
  assert_prints("a\\xce|", "%.2s|", "aβ");
}

/* All 256 bytes, alone and in front of each other: what comes out holds no control character and is UTF-8. */
static void any_bytes_come_out_printable(void **state) {
  (void)state;
  for (int a = 1; a < 256; a++)
    for (int b = 1; b < 256; b++) {
      const char name[4] = {(char)a, (char)b, 'x', '\0'};
      char *text = text_of("%s", name);
      for (const char *at = text; *at != '\0';) {
        uint32_t code = 0;
        const int n = cyf_utf8_decode(at, &code);
        assert_true(n > 0 && !cyf_utf8_is_control(code));
        at += n;
      }
      free(text);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_and_plain_texts_are_as_printf_has_them), cmocka_unit_test(no_name_commands_the_terminal),
      cmocka_unit_test(widths_count_characters), cmocka_unit_test(any_bytes_come_out_printable)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
