# SPDX-License-Identifier: MIT
# Makes a C file of a text: cmake -D TEXT=file -D NAME=variable -D HEADER=its/header.h -D OUT=file.c -P text.cmake
file(READ ${TEXT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "#include \"${HEADER}\"\n\nconst char ${NAME}[] = {${bytes}0};\n")
