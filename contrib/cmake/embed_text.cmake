# Writes a text file as a C array of characters, NUL-terminated.
#   cmake -DIN=<file> -DOUT=<header> -DSYMBOL=<name> -P embed_text.cmake
cmake_minimum_required(VERSION 3.25)

file(READ "${IN}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
string(REGEX REPLACE "('.x0a',)" "\\1\n" bytes "${bytes}")
file(WRITE "${OUT}" "static const char ${SYMBOL}[] = {\n${bytes}0};\n")
