/* SPDX-License-Identifier: MIT */
#include "figures/page.h"

#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/partial.h"

static const char STYLE[] =
    ":root{color-scheme:light dark;--ink:#1c1f21;--quiet:#5b5f63;--line:#dbdde0;--page:#fff;--band:#f4f5f7}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8eaec;--quiet:#a9afb5;--line:#3a4047;--page:#15181b;--band:#"
    "1e2226}}"
    "@media print{:root{color-scheme:light;--ink:#000;--quiet:#444;--line:#ccc;--page:#fff;--band:#f4f4f4}"
    "figure,tr,p{break-inside:avoid}h2{break-after:avoid}}"
    "body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:60rem;background:var(--page);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.7rem;margin:0 0 .5rem}h2{font-size:1.2rem;margin:2.5rem 0 .5rem}"
    "p,figcaption,.note{color:var(--quiet);max-width:48rem}"
    "code{overflow-wrap:anywhere}.wide{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}"
    "th,td{padding:.35rem .6rem;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}"
    "th:first-child,td:first-child,td.text,th.text{text-align:left}thead th{border-bottom:2px solid var(--quiet)}"
    "tbody tr:nth-child(even){background:var(--band)}td small{display:block;color:var(--quiet);font-size:.85em}"
    "figure{margin:0}figure svg{width:100%;height:auto;max-width:860px}figcaption{margin-top:.5rem;font-size:.92rem}";

/* Text with what HTML reserves replaced. */
void cyf_page_put_text(FILE *page, const char *text) {
  for (; *text; text++) {
    switch (*text) {
      case '&':
        fputs("&amp;", page);
        break;
      case '<':
        fputs("&lt;", page);
        break;
      case '>':
        fputs("&gt;", page);
        break;
      case '"':
        fputs("&quot;", page);
        break;
      default:
        fputc(*text, page);
    }
  }
}

void cyf_page_begin(FILE *page, const char *title) {
  fputs(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>",
      page);
  cyf_page_put_text(page, title);
  fprintf(page, "</title><style>%s</style></head><body>\n<h1>", STYLE);
  cyf_page_put_text(page, title);
  fputs("</h1>\n", page);
}

void cyf_page_end(FILE *page) {
  fputs("</body></html>\n", page);
}

/* Puts an SVG into the page: without its XML line, its names made unique to the page, its ink that of the page. */
static void put_svg(FILE *page, const char *svg, int number, const char *title) {
  const struct {
    const char *from;
    const char *to; /* NULL: itself, then the figure's number */
  } swaps[] = {{"id=\"", NULL},
               {"href=\"#", NULL},
               {"url(#", NULL},
               {"rgb(11%,12%,13%)", "var(--ink)"},
               {"rgb(36%,37%,38%)", "var(--quiet)"},
               {"rgb(86%,87%,88%)", "var(--line)"}};
  const char *at = strstr(svg, "<svg");
  if (!at) return;
  fputs("<svg role=\"img\" aria-label=\"", page);
  cyf_page_put_text(page, title);
  fputc('"', page);
  for (at += strlen("<svg"); *at;) {
    size_t s = 0, n = sizeof(swaps) / sizeof(swaps[0]);
    while (s < n && strncmp(at, swaps[s].from, strlen(swaps[s].from)) != 0) s++;
    if (s == n) {
      fputc(*at++, page);
      continue;
    }
    if (swaps[s].to) {
      fputs(swaps[s].to, page);
    } else {
      fprintf(page, "%sf%d-", swaps[s].from, number);
    }
    at += strlen(swaps[s].from);
  }
}

void cyf_page_put_figure(FILE *page, const cyf_page_figure *figure, int number) {
  if (!figure->svg) return;
  fprintf(page, "<section id=\"%s\"><h2>%s</h2>\n<figure>", figure->name, figure->title);
  put_svg(page, figure->svg, number, figure->title);
  fputs("<figcaption>", page);
  cyf_page_put_text(page, figure->caption);
  fputs("</figcaption></figure></section>\n", page);
}

cyf_status cyf_page_write_file(const char *directory, const char *name, const char *ending, const char *text) {
  char *file = NULL, *path = NULL;
  cyf_status status = cyf_format(&file, "%s%s", name, ending);
  if (status == CYF_OK) status = cyf_path_join(directory, file, &path);
  if (status == CYF_OK) status = cyf_write_text_file(path, text);
  cyf_free(file);
  cyf_free(path);
  return status;
}
