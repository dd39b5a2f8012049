// What the fuzzers try out, one function each. A fuzzer (the `fuzz` preset,
// tools/fuzz.sh) calls it with bytes of its own making; corpus_test.cc calls it
// with the files of corpus/<target>/ in every ordinary build.
//
// Each returns 0, and aborts with a message on stderr where what it looks after
// is broken. None keeps state from one call to the next that could change what
// a later one finds.

#ifndef ENGRAM_TESTS_FUZZ_FUZZ_TARGETS_H_
#define ENGRAM_TESTS_FUZZ_FUZZ_TARGETS_H_

#include <cstddef>
#include <cstdint>

namespace engram::fuzz {

// Reads the bytes as a file of search's index cache; what is accepted can be
// used.
int FuzzCache(const uint8_t* data, size_t size);

// Cuts the bytes into chunks; these must be as they are promised.
int FuzzChunk(const uint8_t* data, size_t size);

// Reads the bytes as a filter, and where it is one, evaluates it and compiles
// it to SQL: both must agree.
int FuzzFilter(const uint8_t* data, size_t size);

// Reads the bytes as a pattern of keys and a key: they match as the pattern
// says.
int FuzzPattern(const uint8_t* data, size_t size);

// Reads the bytes as a request for a list; its pages must be what a plain
// evaluation finds and sorts.
int FuzzList(const uint8_t* data, size_t size);

// Reads the bytes as a YAML schema document; what is accepted must be written
// and read again as the same.
int FuzzSchema(const uint8_t* data, size_t size);

// Looks for the bytes as words, in a store for each tokenizer: that must
// succeed and find what a plain evaluation of the query finds.
int FuzzText(const uint8_t* data, size_t size);

// Runs the bytes as SQL that a person wrote; nothing may be written, whatever
// they say.
int FuzzSql(const uint8_t* data, size_t size);

// Plays the bytes as a list of schema changes and writes against a store in a
// file, which must be whole after each of them.
int FuzzWrite(const uint8_t* data, size_t size);

}  // namespace engram::fuzz

#endif  // ENGRAM_TESTS_FUZZ_FUZZ_TARGETS_H_
