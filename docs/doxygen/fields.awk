# SPDX-License-Identifier: MIT
# Doxygen's input filter. A field of a struct may go without a comment where its name says all (docs/style.md): it gets
# an empty one. Several fields on a line share the comment behind them. Lines keep their numbers.
BEGIN { silent = " /**< &zwj; */" } # a character of no width: Doxygen takes it for a text

# "type a, b;" as "type a; COMMENT type b; COMMENT", the last one's comment left to the caller where `comment` is "".
function share(line, comment,    type, names, n, i, said) {
  match(line, /^ *[A-Za-z_][A-Za-z_0-9 ]* /)
  type = substr(line, 1, RLENGTH)
  n = split(substr(line, RLENGTH + 1), names, /, |;/)
  said = ""
  for (i = 1; i < n; i++) said = said type names[i] ";" (comment != "" ? comment : i < n - 1 ? silent : "")
  return said
}

{
  line = $0
  if (in_comment) {
    if (line ~ /\*\//) in_comment = 0
    print line
    next
  }
  if (line ~ /\/\*/ && line !~ /\*\//) in_comment = 1

  if (open > 0 && line ~ /^ *}/) {
    open--
    if (open > 0 && line ~ /;$/) line = line silent
  } else if (line ~ /^ *(typedef )?(struct|union)( [A-Za-z_0-9]+)? \{( *\/[*\/].*)?$/) {
    open++
  } else if (open > 0 && line !~ /^ *(\/|\*|#)/) {
    at = index(line, ";")
    behind = substr(line, at + 1)
    if (at > 0 && line ~ /^ *[A-Za-z_][A-Za-z_0-9 ]* \**[A-Za-z_0-9]+(\[[^]]*\])?(, \**[A-Za-z_0-9]+(\[[^]]*\])?)+;/) {
      if (behind == "") line = share(substr(line, 1, at), silent)
      else if (in_comment) line = share(substr(line, 1, at), "") behind
      else line = share(substr(line, 1, at), behind)
    } else if (line ~ /;$/) {
      line = line silent
    }
  }
  print line
}
