#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Names in files may hold sequences that command a terminal. What is printed goes through the log or cyf_print
# (base/terminal.h), which show such characters. No other function of src prints to stdout or stderr. Then the script is
# shown planted lines, which it must find.
set -uo pipefail
source_dir=${CYTOFORGE_SOURCE:-$(cd "$(dirname "$0")" && pwd)} # the tree, as in layers.sh
while [ ! -d "$source_dir/src" ] && [ "$source_dir" != / ]; do source_dir=$(dirname "$source_dir"); done
cd "$source_dir"

# Lines "FILE:LINE: WHAT" of a folder, for each call that prints without them.
check() { # folder
  (cd "$1" && find . -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cpp' \) -printf '%P\0' |
    sort -z | xargs -0 -r perl -e '
    use strict;
    my $failed = 0;
    # The log writes whole lines that cyf_terminal_text has made.
    my $log = "base/log.c";
    # Help: texts of our own, with line breaks, to a stream that is stdout or stderr. Files, and how many calls of each.
    my %help = ("cli/options.c" => 8, "cli/main.c" => 3);
    # Who may be given stdout or stderr: what these write of names is quoted (cyf_yaml_write_quoted) or goes to cyf_print.
    my $takers = qr/cyf_print|cyf_print_version|print_help|command->help|cyf_json_init|cyf_config_print|
                    cyf_evaluation_print|cyf_evaluation_print_json|fflush|ferror|fileno/x;
    # Of themselves to stdout, stderr or a descriptor; and to a stream.
    my $direct = qr/v?printf|puts|putchar|putchar_unlocked|perror|psignal|psiginfo|v?dprintf/;
    my $to_stream = qr/v?fprintf|fputs|fputc|putc|fwrite|fputs_unlocked|fwrite_unlocked/;
    sub complain { my ($file, $text, $at, $what) = @_;
      my $line = 1 + (substr($text, 0, $at) =~ tr/\n//);
      print "$file:$line: $what: what is printed goes through the log or cyf_print (base/terminal.h)\n";
      $failed = 1; }
    for my $file (@ARGV) {
      local $/;
      open my $in, "<", $file or die; my $text = <$in>; close $in;
      my $blank = sub { my $t = shift; $t =~ s/[^\n]/ /g; $t };
      $text =~ s{(/\*.*?\*/|//[^\n]*)|("(?:[^"\\\n]|\\.)*"|\x27(?:[^\x27\\\n]|\\.)*\x27)}
                {defined $1 ? $blank->($1) : $blank->($2)}gse;
      next if $file eq $log;
      complain($file, $text, $-[1], $1) while $text =~ /(?<![\w.>])($direct)\s*\(/g;
      complain($file, $text, $-[0], "write to a terminal") while $text =~ /(?<![\w.>])p?writev?\s*\(\s*(?:1|2|STD(?:OUT|ERR)_FILENO)\s*,/g;
      while ($text =~ /\b(stdout|stderr)\b/g) {
        my $at = $-[0], my $name = $1;
        my $before = substr($text, $at > 400 ? $at - 400 : 0, $at > 400 ? 400 : $at);
        # The call whose argument it is: the last bracket before it that is still open.
        my $depth = 0, my $i = length $before;
        while (--$i >= 0) {
          my $c = substr($before, $i, 1);
          last if $c =~ /[;{}]/;
          $depth++ if $c eq ")";
          last if $c eq "(" && $depth-- == 0;
        }
        my $call = $i >= 0 && substr($before, $i, 1) eq "(" ? substr($before, 0, $i) : "";
        complain($file, $text, $at, $name) unless $call =~ /(?<![\w>.])(?:$takers)\s*$/;
      }
      next unless $file =~ m{^cli/};
      my @calls;
      push @calls, [$-[1], $1] while $text =~ /(?<![\w.>])($to_stream)\s*\(/g;
      next if @calls <= ($help{$file} // 0);
      complain($file, $text, $_->[0], $_->[1]) for @calls;
    }
    exit $failed')
}

check src || exit 1

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted/cli" "$planted/data" "$planted/base"
for line in 'printf("%s\n", name);' 'puts(name);' 'perror (path);' 'fprintf(stderr, "%s", name);' 'fputs(name, stdout);' \
  'fwrite(name, 1, n, stdout);' 'fputc(*name, stderr);' 'FILE *out = stdout;' 'print_rows(rows, stderr);' 'dprintf(2, "%s", name);' \
  'write(STDERR_FILENO, name, n);' 'write(1, name, n);' 'vprintf(format, arguments);' 'cyf_print(is_bad ? stderr : stdout, "x"), puts(name);' \
  'x = "/*"; puts(name); y = "*/";'; do
  for file in data/reader.c cli/cmd_info.c; do
    echo "void f(void) { $line }" >"$planted/$file"
    if check "$planted" >/dev/null; then
      echo "printing: a planted '$line' is not found"
      exit 1
    fi
    rm "$planted/$file"
  done
done
echo 'void help(FILE *stream) { fputs(name, stream); }' >"$planted/cli/cmd_info.c"
if check "$planted" >/dev/null; then
  echo "printing: a stream that a command was given is not found"
  exit 1
fi
rm "$planted/cli/cmd_info.c"
for n in 1 2 3 4; do echo 'fprintf(stream, "help");' >>"$planted/cli/main.c"; done
if check "$planted" >/dev/null; then
  echo "printing: one more line than is known is not found"
  exit 1
fi
sed -i 1d "$planted/cli/main.c"
echo 'int f(void) { snprintf(t, n, "printf(stdout)"); cyf_print(stdout, "%d", g(1)); return fflush(stdout); } /* puts(name) */ // stderr' >"$planted/data/reader.c"
echo 'void g(FILE *page) { fprintf(page, "x"); fwrite(line, 1, n, page); to.printf(1); }' >>"$planted/data/reader.c"
echo 'fwrite(line, 1, n, stderr);' >"$planted/base/log.c"
if ! check "$planted"; then
  echo "printing: what prints by the rules is taken for what does not"
  exit 1
fi
echo "printing: every line goes through the log or cyf_print"
