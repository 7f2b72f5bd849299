# SPDX-License-Identifier: MIT
# Judges the facts that layers.sh collects: see there for the rules. Ends with 1 where one is broken.

function complain(text) {
  print text
  failed = 1
}

function room_of(file) { return file ~ /\// ? substr(file, 1, index(file, "/") - 1) : "" }

function folder_of(file,    rest) { # "h5ad" of "data/h5ad/reader.c", "" of "data/reader.c"
  rest = substr(file, index(file, "/") + 1)
  return room_of(rest)
}

function matches(text, pattern) { return text ~ ("^(" pattern ")$") }

# Why `from` may not use `to`, or "".
function forbidden(from, to,    a, b, x, y) {
  a = room_of(from)
  b = room_of(to)
  if (!(a in may) || !(b in may)) return "" # told once, by check_rooms
  if (index(may[a], " " b " ") == 0) return a " may not use " b
  if (a != b || !(a in ordered)) return ""
  x = folder_of(from)
  y = folder_of(to)
  if (x == y || !((a, x) in level) || !((a, y) in level) || level[a, y] < level[a, x]) return ""
  return a "/" x " may not use " b "/" y
}

function resolve(from, name,    folder) { # the file of ours that an include means, or ""
  if (name in is_file) return name
  folder = from
  sub(/[^\/]*$/, "", folder)
  name = folder name
  while (sub(/[^\/.]+\/\.\.\//, "", name) || sub(/(^|\/)\.\//, "/", name)) sub(/^\//, "", name)
  return name in is_file ? name : ""
}

function check_rooms(    file) {
  for (file in is_file) {
    if (!(room_of(file) in may)) complain(file ": its folder is no room of the table in layers.sh")
    else if (room_of(file) in ordered && !((room_of(file), folder_of(file)) in level))
      complain(file ": its folder is not in the order of " room_of(file) " in layers.sh")
  }
}

function check_include(i,    from, to, why, v, known) {
  from = include_from[i]
  if (include_kind[i] == "\"" && (to = resolve(from, include_name[i])) != "") {
    if ((why = forbidden(from, to)) != "") complain(from ":" include_line[i] ": includes " to ": " why)
    if (!((from, to) in includes_once)) {
      includes_once[from, to] = 1
      graph["includes", from, ++degree["includes", from]] = to
    }
    return
  }
  for (v in vendor_headers)
    if (matches(include_name[i], vendor_headers[v])) {
      known = 1
      if (!matches(from, vendor_files[v])) complain(from ":" include_line[i] ": includes " include_name[i] ", which belongs in " vendor_files[v])
    }
  if (!known && !matches(include_name[i], plain))
    complain(from ":" include_line[i] ": includes " include_name[i] ", which layers.sh does not know as a file of ours, of a vendor or of the system")
}

function joined(list, item) { return list == "" ? item : list ", " item }

function spoken(symbol,    digits) { # the name in a mangled one of C++
  if (symbol !~ /^_Z[0-9]/) return symbol
  digits = symbol
  sub(/^_Z/, "", digits)
  return substr(digits, match(digits, /[^0-9]/), digits + 0)
}

function note_use(from, text, symbol,    key) { # one line a file and reason, told by print_uses
  key = from SUBSEP text
  if (!(key in misuse)) misuse_order[++misuses] = key
  misuse[key] = joined(misuse[key], spoken(symbol))
}

function print_uses(    i, part) {
  for (i = 1; i <= misuses; i++) {
    split(misuse_order[i], part, SUBSEP)
    complain(part[1] ": uses " misuse[misuse_order[i]] " of " part[2])
  }
}

function check_use(i,    from, symbol, v, n, k, to, why, key) {
  from = use_from[i]
  symbol = use_symbol[i]
  if (symbol ~ /^(exit|abort|_exit|_Exit|quick_exit)$/ && !matches(from, ends)) complain(from ": calls " symbol ": libraries never exit")
  n = split(definers[symbol], of, " ")
  if (n == 0)
    for (v in vendor_symbols)
      if (matches(symbol, vendor_symbols[v]) && !matches(from, vendor_files[v] "|" by_symbol[v])) note_use(from, v ", which belongs in " vendor_files[v], symbol)
  for (k = 1; k <= n; k++) {
    to = of[k]
    if (to == from) continue
    key = from SUBSEP to
    if (!(key in calls)) graph["calls", from, ++degree["calls", from]] = to
    calls[key] = joined(calls[key], spoken(symbol))
    if ((why = forbidden(from, to)) != "") note_use(from, to ": " why, symbol)
  }
}

# Circles are the strongly connected parts of more than one file (Tarjan's algorithm).
function visit(kind, node,    k, next_node, size, i) {
  number[kind, node] = lowest[kind, node] = ++counter
  stack[++depth] = node
  on_stack[kind, node] = 1
  for (k = 1; k <= degree[kind, node]; k++) {
    next_node = graph[kind, node, k]
    if (!((kind, next_node) in number)) {
      visit(kind, next_node)
      if (lowest[kind, next_node] < lowest[kind, node]) lowest[kind, node] = lowest[kind, next_node]
    } else if (on_stack[kind, next_node] && number[kind, next_node] < lowest[kind, node])
      lowest[kind, node] = number[kind, next_node]
  }
  if (lowest[kind, node] != number[kind, node]) return
  circles++
  for (size = 1; stack[depth] != node; size++) leave(kind, size)
  leave(kind, size)
  if (size == 1) circles--
  else member_count[circles] = size
}

function leave(kind, place) {
  members[circles, place] = stack[depth]
  on_stack[kind, stack[depth]] = 0
  depth--
}

function find_circles(kind,    i) {
  circles = counter = depth = 0
  for (i = 1; i <= files; i++)
    if (!((kind, file_name[i]) in number)) visit(kind, file_name[i])
}

function print_circle(kind, c,    i, j, from, to, names) {
  for (i = 1; i <= member_count[c]; i++) names = names " " members[c, member_count[c] + 1 - i]
  print "circle of " kind " between" names
  for (i = 1; i <= member_count[c]; i++)
    for (j = 1; j <= member_count[c]; j++) {
      from = members[c, i]
      to = members[c, j]
      if (kind == "calls" && ((from, to) in calls)) print "  " from " -> " to ": " calls[from, to]
      if (kind == "includes" && ((from, to) in includes_once)) print "  " from " -> " to
    }
}

function check_circles(kind,    c, i, is_allowed, allowed_ones) {
  find_circles(kind)
  for (c = 1; c <= circles; c++) {
    is_allowed = kind == "calls"
    for (i = 1; i <= member_count[c]; i++)
      if (!matches(members[c, i], allowed_circle)) is_allowed = 0
    if (is_allowed && ++allowed_ones == 1) continue
    print_circle(kind, c)
    failed = 1
  }
  found[kind] = circles
}

$1 == "room" {
  for (i = 3; i <= NF; i++) may[$2] = may[$2] " " $i " "
}
$1 == "order" {
  ordered[$2] = 1
  for (i = 3; i <= NF; i++) {
    n = split($i, names, ",")
    for (k = 1; k <= n; k++) level[$2, names[k]] = i
  }
}
$1 == "vendor" {
  vendor_headers[$2] = $3
  if ($4 != "-") vendor_symbols[$2] = $4
  vendor_files[$2] = $5
  by_symbol[$2] = $5
}
$1 == "by_symbol" { by_symbol[$2] = $3 }
$1 == "plain" { plain = plain == "" ? $2 : plain "|" $2 }
$1 == "ends" { ends = $2 }
$1 == "circle" { allowed_circle = $2 }
$1 == "file" {
  is_file[$2] = 1
  file_name[++files] = $2
}
$1 == "include" {
  includes++
  include_from[includes] = $2
  include_line[includes] = $3
  include_kind[includes] = $4
  include_name[includes] = $5
}
$1 == "ends_in" { ends_in[++exits] = $2 " " $3 }
$1 == "object" { has_object[$2] = 1 }
$1 == "older" { is_older[$2] = 1 }
$1 == "define" && !(($2, $3) in defined) {
  defined[$2, $3] = 1
  definers[$3] = definers[$3] " " $2
}
$1 == "use" && !(($2, $3) in used) {
  used[$2, $3] = 1
  uses++
  use_from[uses] = $2
  use_symbol[uses] = $3
}

END {
  if (files == 0) complain("layers: there are no sources here")
  check_rooms()
  for (i = 1; i <= includes; i++) check_include(i)
  for (i = 1; i <= exits; i++) {
    split(ends_in[i], place, " ")
    if (!matches(place[1], ends)) complain(place[1] ":" place[2] ": libraries never exit")
  }
  check_circles("includes")
  if (symbols) {
    for (file in has_object) objects++
    if (objects == 0) complain("layers: the build folder has no objects of these sources")
    for (file in is_older) complain(file ": is newer than its object; build first")
    for (i = 1; i <= files; i++)
      if (file_name[i] ~ /\.(c|cu)$/ && !(file_name[i] in has_object)) print "note: " file_name[i] " is not part of this build; its symbols were not looked at"
    for (i = 1; i <= uses; i++) check_use(i)
    print_uses()
    check_circles("calls")
  }
  if (failed) exit 1
  if (symbols)
    printf "layers: %d files, %d includes and the %d symbols that %d objects use keep the rules; circles of calls: %d (at most 1, in its place)\n", files, includes, uses, objects, found["calls"]
  else printf "layers: %d files and %d includes keep the rules; symbols were skipped (no build folder given)\n", files, includes
}
