#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Sentences above 30 words, and words of ours that the glossary lacks: see words.sh.
#   words.pl --glossary FILE --terms FILE [--quietly-skip] -- FILES...
# Counted are sentences of Markdown pages and of comments in C, CUDA, shell, Python (docstrings too), CMake, YAML, make, awk and perl.
# Not counted: fenced and indented code, tables, headings' markup, licence texts. Inline code, an address, a formula and a list of names
# (four or more single words between commas) count as one word each.
use strict;
use warnings FATAL => 'all';

my $longest = 30;
my $abbreviation = qr/^[("'\[]*(?:e\.g|i\.e|al|cf|vs|resp|approx|incl|max|min|ca|Fig|Figs|Eq|Eqs|Sec|alg|eq|no|No|Dr|Mr|Ms|Prof|St|[A-Z])\.$/;
my %option = ('--glossary' => '', '--terms' => '');
my $quiet = 0;
while (@ARGV && $ARGV[0] =~ /^--/) {
  my $name = shift @ARGV;
  last if $name eq '--';
  if ($name eq '--quietly-skip') { $quiet = 1 }
  elsif (exists $option{$name}) { $option{$name} = shift @ARGV }
  else { die "words: unknown option $name\n" }
}

my @blocks;    # of the file being read: [[line number, text]...], a paragraph, list item or heading
my @kept;      # what placeholders of the block being counted stand for
my ($n_files, $n_sentences, $n_long) = (0, 0, 0);
my %term_use;  # term: "file:line" of its first use
my @terms = read_lines($option{'--terms'});
my %glossary = map { $_ => 1 } read_glossary($option{'--glossary'});
my %spelling;  # a spelling in the text: its term
for my $term (@terms) { $spelling{$_} = $term for lc $term, plurals(lc $term) }
my $any_term = @terms ? join('|', map { quotemeta } sort { length $b <=> length $a } keys %spelling) : '(?!)';
$any_term =~ s/\\ /[\\s-]+/g;

for my $file (@ARGV) {
  my $kind = kind_of($file);
  if (!$kind) {
    die "words: $file is no page or source that words.pl can read\n" unless $quiet;
    next;
  }
  open my $in, '<', $file or die "words: cannot read $file: $!\n";
  local $/;
  my $text = <$in> // '';
  close $in;
  next if $text =~ /\0/;
  $n_files++;
  @blocks = ();
  if ($kind eq 'page') { read_page($text) }
  elsif ($kind eq 'c') { read_c($text) }
  else { read_hash($text, $kind) }
  check_block($file, $_) for @blocks;
}
die "words: no page and no source among the files\n" unless $n_files;

my @missing = grep { !$glossary{lc $_} } sort keys %term_use;
print "$term_use{$_}: \"$_\" is a word of ours without an entry in the glossary\n" for @missing;
if ($n_long || @missing) {
  printf "words: %d sentences of more than %d words, %d words of ours without an entry\n", $n_long, $longest, scalar @missing;
  exit 1;
}
printf "words: %d sentences of %d files have at most %d words; %d words of ours are in use, each in the glossary\n", $n_sentences, $n_files,
  $longest, scalar keys %term_use;

# ---- files and their kinds ----

sub kind_of {
  my ($file) = @_;
  my ($name) = $file =~ m{([^/]*)$};
  return '' if $name =~ /^(LICENSE|COPYING)/ || $name =~ /\.(txt|json|svg|cff)$/ && $name ne 'CMakeLists.txt';
  return 'page' if $name =~ /\.md$/;
  return 'c' if $name =~ /\.(c|h|cu|cuh|cpp|hpp|cc)$/;
  return 'python' if $name =~ /\.py$/;
  return 'shell' if $name =~ /\.(sh|bash)$/;
  return 'hash' if $name =~ /^(CMakeLists\.txt|Makefile|Dockerfile|Doxyfile)$/ || $name =~ /\.(cmake|ya?ml|mk|awk|pl|slurm|toml)$/;
  return '' if $name =~ /\./ || !-f $file || -s _ > 1000000;
  open my $in, '<', $file or return '';
  my $first = <$in> // '';
  return $first =~ /^#!.*sh\b/ ? 'shell' : $first =~ /^#!.*python/ ? 'python' : '';
}

sub read_lines {
  my ($file) = @_;
  open my $in, '<', $file or return ();
  return grep { $_ ne '' } map { s/#.*//r =~ s/^\s+|\s+$//gr } <$in>;
}

# Entries of the glossary: headings, the first cell of a table's row, and what a paragraph or list item begins with in bold or code.
sub read_glossary {
  my ($file) = @_;
  my @entries;
  open my $in, '<', $file or return ();
  while (my $line = <$in>) {
    my $entry;
    if ($line =~ /^#+\s+(.*?)\s*$/) { $entry = $1 }
    elsif ($line =~ /^\|\s*(.+?)\s*\|/) { $entry = $1 }
    elsif ($line =~ /^\s*(?:[-*+]\s+)?((?:\*\*.+?\*\*|`[^`]+`)(?:\s*(?:,|\/|or|and)\s*(?:\*\*.+?\*\*|`[^`]+`))*)/) { $entry = $1 }
    else { next }
    $entry =~ s/[*`_]+//g;
    $entry =~ s/\([^)]*\)//g;
    for my $name (split /\s*[,\/;:]\s*|\s+(?:or|and)\s+/, lc $entry) {
      $name =~ s/^\s+|[\s.:]+$//g;
      $name =~ s/-/ /g;
      push @entries, $name, $name =~ s/s$//r, $name =~ s/es$//r if $name ne '';
    }
  }
  return @entries;
}

sub plurals {
  my ($word) = @_;
  return ($word . 's', $word . 'es');
}

# ---- pages ----

sub read_page {
  my @lines = split /\n/, $_[0], -1;
  my ($block, $fence, $list_indent, $blank, $in_comment, $in_code) = (undef, '', -1, 1, 0, 0);
  my $end = sub { push @blocks, $block if $block; $block = undef };
  for my $i (0 .. $#lines) {
    my $line = $lines[$i];
    if ($fence) {
      $fence = '' if $line =~ /^\s*\Q$fence\E/;
      next;
    }
    if ($line =~ /^\s*(```+|~~~+)/) { $fence = $1; $end->(); next }
    if ($in_comment) { $in_comment = $line !~ /-->/; next }
    if ($line =~ /^\s*<!--/) { $in_comment = $line !~ /-->/; next }
    if ($line =~ /^\s*$/) { $end->(); $blank = 1; next }
    my ($space, $rest) = $line =~ /^(\s*)(.*)$/;
    my $indent = length $space;
    if ($indent >= ($list_indent < 0 ? 4 : $list_indent + 6) && ($blank || $in_code)) { $in_code = 1; $blank = 0; next }
    $in_code = 0;
    $list_indent = -1 if $blank && $indent == 0;
    $blank = 0;
    if ($rest =~ /^\|/ || $rest =~ /^\[[^\]]+\]:\s/ || $rest =~ /^([-*_=]\s*){3,}$/) { $end->(); next } # table, address, rule
    if ($rest =~ /^#+\s+(.*)/) { $end->(); $block = [[$i + 1, $1]]; $end->(); next }
    $rest =~ s/^>\s?//;
    if ($rest =~ /^(?:[-*+]|\d+[.)])\s+(.*)/) { $end->(); $list_indent = $indent; $block = [[$i + 1, $1]]; next }
    push @{$block}, [$i + 1, $rest];
  }
  $end->();
}

# ---- comments ----

# Lines of one comment, without its markers: paragraphs, list items and the second column of aligned lists become blocks; lines indented
# by four or more are code or a formula.
sub add_comment {
  my (@lines) = @_;
  my ($block, $base) = (undef, 1000);
  my $end = sub { push @blocks, $block if $block; $block = undef };
  for my $line (@lines) {
    next if $line->[1] !~ /\S/;
    my ($space) = $line->[1] =~ /^(\s*)/;
    $base = length $space if length $space < $base;
  }
  my $item = -1;    # indentation of the list item's text
  for my $line (@lines) {
    my ($number, $text) = @{$line};
    $text =~ s/\t/    /g;
    if ($text !~ /\S/ || $text =~ /^[\s*#\/=_~-]*$/ || $text =~ /SPDX-License-Identifier|clang-format o(ff|n)|shellcheck disable|NOLINT/) {
      $end->();
      $item = -1;
      next;
    }
    my ($space, $rest) = $text =~ /^(\s*)(.*?)\s*$/;
    my $indent = length($space) - $base;
    $rest =~ s/^[-=]{3,}\s*//;
    $rest =~ s/\s*[-=]{3,}$//;
    if ($rest =~ /^(?:[-*+]|\d+[.)])\s+(.*)/) { $end->(); $item = $indent + 2; $block = [[$number, $1]]; next }
    if ($rest =~ /^[@\\](?:param|return|brief|file|note|pre|post)\b(?:\[\w+\])?\s*(.*)/) { $end->(); $block = [[$number, $1]]; next }
    my ($name, $meaning) = $rest =~ /^(\S+(?: \S+){0,3}?)\s{2,}(\S.*)/; # NAME   what it is
    if (defined $name && $name !~ /(?<!\.\.)[.!?:]$/) {
      $end->();
      $item = $indent + length($rest) - length($meaning);
      $block = [[$number, $meaning]] if $meaning !~ /\S\s{3,}\S/;
      next;
    }
    if ($indent >= 4 && !($item >= 0 && $block && abs($indent - $item) <= 2)) { $end->(); next }
    if ($item >= 0 && $indent == 0) { $end->(); $item = -1 }
    $rest =~ s/^\|.*\|$//;
    push @{$block}, [$number, $rest] if $rest ne '';
  }
  $end->();
}

sub read_c {
  my ($text) = @_;
  my ($number, @run, $run_end) = (1);
  my $flush = sub { add_comment(@run) if @run; @run = () };
  my $line_start = 1; # nothing but space on this line so far
  while ($text =~ m{( "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | /\*.*?\*/ | //[^\n]* | [^"'/]+ | . )}gsx) {
    my $piece = $1;
    my $column = $-[0] - 1 - rindex $text, "\n", $-[0];
    if ($piece =~ m{^//(.*)}s) {
      $flush->() if @run && ($run_end != $number - 1 || !$line_start);
      push @run, [$number, $1];
      $run_end = $number;
    } elsif ($piece =~ m{^/\*}) {
      $flush->();
      my @lines = split /\n/, $piece =~ s{\*+/$}{}r =~ s{^/\*+[<!]?}{' ' x ($column + 2)}er, -1;
      add_comment(map { [$number + $_, $_ ? $lines[$_] =~ s/^(\s*)\*(?!\*)/$1 /r : $lines[$_]] } 0 .. $#lines) if @lines;
    }
    $number += ($piece =~ tr/\n//);
    if ($piece =~ /\n([^\n]*)$/) { $line_start = $1 !~ /\S/ } else { $line_start = 0 if $piece =~ /\S/ }
  }
  $flush->();
}

sub read_hash {
  my ($text, $kind) = @_;
  my @lines = split /\n/, $text, -1;
  my (@run, $heredoc, $quotes, @docstring);
  my $flush = sub { add_comment(@run) if @run; @run = () };
  for my $i (0 .. $#lines) {
    my $line = $lines[$i];
    if (defined $heredoc) {
      undef $heredoc if $line =~ /^\s*\Q$heredoc\E$/;
      next;
    }
    if ($kind eq 'python') {
      if (defined $quotes) { # inside a docstring
        if ((my $at = index $line, $quotes) >= 0) {
          push @docstring, [$i + 1, substr $line, 0, $at];
          add_comment(@docstring);
          undef $quotes;
        } else { push @docstring, [$i + 1, $line] }
        next;
      }
      if ($line =~ /^(\s*)[rRuU]?("""|''')(.*)$/) {
        my ($space, $mark, $rest) = ($1, $2, $3);
        $flush->();
        if ((my $at = index $rest, $mark) >= 0) { add_comment([$i + 1, substr $rest, 0, $at]) }
        else { ($quotes, @docstring) = ($mark, [$i + 1, "$space$rest"]) }
        next;
      }
    }
    if ($line =~ /^\s*#(?!!)(.*)/) { push @run, [$i + 1, $1]; next }
    $flush->();
    while ($line =~ /\s#\s/g) { # the first one outside of quotes begins a comment
      next unless even_quotes(substr $line, 0, $-[0]);
      add_comment([$i + 1, substr $line, $+[0]]);
      last;
    }
    $heredoc = $1 if $kind eq 'shell' && $line =~ /(?<!<)<<-?\s*["'\\]?(\w+)/;
  }
  $flush->();
}

sub even_quotes {
  my ($code) = @_;
  $code =~ s/\\.//g;
  $code =~ s/"[^"]*"|'[^']*'//g;
  return $code !~ /["']/;
}

# ---- sentences ----

sub keep {
  push @kept, $_[0];
  return "\x01" . $#kept . "\x02" . ("\n" x ($_[0] =~ tr/\n//));
}

sub restored {
  my ($text) = @_;
  $text =~ s/\x01(\d+)\x02/$kept[$1] =~ s,\s+, ,gr/ge;
  return $text;
}

sub check_block {
  my ($file, $block) = @_;
  @kept = ();
  my $text = join "\n", map { $_->[1] } @{$block};
  my @numbers = map { $_->[0] } @{$block};
  note_terms($file, $text, \@numbers);
  $text =~ s/(``.+?``|`[^`]+`|\$[^\$\n]+\$)/keep($1)/gse;
  $text =~ s/!?\[([^\]]*)\]\([^)\s]*\)/$1/g;
  $text =~ s{<?https?://[^\s>)]*[^\s>).,;]>?}{keep($&)}ge;
  $text =~ s/<[^<>\n]{1,80}>/ /g if $file =~ /\.md$/;
  $text =~ s/\*\*|__(?=\w)|(?<=\w)__//g if $file =~ /\.md$/;
  my ($at, @sentence, $start) = (0);
  my @tokens;
  while ($text =~ /(\s+)|(\S+)/g) {
    if (defined $1) { $at += ($1 =~ tr/\n//) }
    else { push @tokens, [$2, $at < @numbers ? $numbers[$at] : $numbers[-1]] }
  }
  for my $i (0 .. $#tokens) {
    push @sentence, $tokens[$i];
    next unless $i == $#tokens || ends_sentence($tokens[$i][0], $tokens[$i + 1][0]);
    $n_sentences++;
    my $n = count_words(map { $_->[0] } @sentence);
    if ($n > $longest) {
      $n_long++;
      print "$file:$sentence[0][1]: $n words: ", restored(join ' ', map { $_->[0] } @sentence), "\n";
    }
    @sentence = ();
  }
}

sub ends_sentence {
  my ($token, $next) = @_;
  return 0 unless $token =~ /[.!?][)"'\]*_]*$/;
  return 0 if $token =~ $abbreviation && !($token =~ /^(?:no|max|min|[A-Z])\.$/ && $token !~ /^[A-Z]\.$/ && $next =~ /^[A-Z]/);
  return $next =~ /^["'(\[]*[A-Z]/ if $token =~ /\.\.\.[)"'\]]*$|^etc\./;
  return 1;
}

# Words of a sentence. A formula (operands and operators) and a list of four or more single names count as one.
sub count_words {
  my @reduced = join_formulas(@_);
  my $n = 0;
  for (my $i = 0; $i < @reduced; $i++) {
    my $items = 0;
    $items++ while $i + $items < @reduced && $reduced[$i + $items] =~ /[\w\x02)'"]["')\]]*,$/;
    if ($items >= 2) { # "a, b, c, d", "a, b, c and d" or "a, b, c, and d"
      my $last = $i + $items;
      my $and = qr/^(?:and|or|to)$/;
      if ($last < @reduced && $reduced[$last] =~ $and) { $last++ }
      elsif ($last + 1 < @reduced && $reduced[$last + 1] =~ $and) { $last += 2 }
      my $all_names = 1;
      $all_names &&= is_name($_) for @reduced[$i .. $i + $items - 1];
      if ($all_names || $last < @reduced && $last - $i >= 3) {
        $n++;
        $i = $last < @reduced ? $last : $#reduced;
        next;
      }
    }
    $n++ if $reduced[$i] =~ /[A-Za-z0-9\x01]/;
  }
  return $n;
}

sub join_formulas {
  my @tokens = @_;
  my @reduced;
  for (my $i = 0; $i < @tokens; $i++) {
    my ($end, $operators) = ($i, 0);
    for (; $end < @tokens && is_formula($tokens[$end]); $end++) {
      $operators++ if is_operator($tokens[$end]);
      $end++, last if $end > $i && $tokens[$end] =~ /[.!?;:]$/;
    }
    if ($operators && $end - $i > 1) {
      my $formula = join '', @tokens[$i .. $end - 1];
      if (@reduced && is_operator($tokens[$i]) && $tokens[$i] ne '-') { $reduced[-1] .= $formula } # of what is named before it
      else { push @reduced, $formula }
      $i = $end - 1;
    } elsif (@reduced && $i + 1 < @tokens && $tokens[$i] ne '-' && is_operator($tokens[$i])) {
      $reduced[-1] .= $tokens[$i] . $tokens[$i + 1]; # `count = cells`: names of any length
      $i++;
    } else {
      push @reduced, $tokens[$i];
    }
  }
  return @reduced;
}

sub is_operator { return $_[0] =~ /^(?:=|==|!=|<=|>=|<|>|:=|<-|->|=>|\+|-|\*|\/|\^|~|\||&|&&|\|\||->>)$/ }

sub is_formula {
  my ($token) = @_;
  return 1 if is_operator($token) || $token =~ /\x01/;
  return 1 if $token =~ /^[("'\[]*(?:[b-zB-HJ-Z]|sum|exp|log|sqrt|max|min|floor|ceil|mod|sign)[)"'\]]*[,;.]?$/;
  return $token =~ /[\d_^()\[\]'*\/+=|<>]/ && $token !~ /[A-Za-z]{4,}/ && $token !~ /^[("']?[A-Za-z]{2,}['),.]/;
}

sub is_name { return $_[0] =~ /\x01|_|\d|\.\w|\/|\(|^-|[a-z][A-Z]|^["'(]*[A-Z][A-Z]/ }

# ---- words of ours ----

sub note_terms {
  my ($file, $text, $numbers) = @_;
  return if $file =~ m{(^|/)glossary\.md$};
  while ($text =~ /(?<![\w.\/_-])($any_term)(?![\w\/_(]|-\w|\.\w)/gi) {
    my $found = lc $1 =~ s/[\s-]+/ /gr;
    my $term = $spelling{$found} // next;
    next if $term_use{$term};
    my $line = () = substr($text, 0, $-[0]) =~ /\n/g;
    $term_use{$term} = "$file:" . $numbers->[$line];
  }
}
