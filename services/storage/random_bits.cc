#include "services/storage/random_bits.h"

#include <memory>
#include <random>

namespace engram::storage {

uint64_t RandomBits() {
  // On the heap: what is thread_local takes from the stack of every thread of
  // the program, and those of the metrics server (libcivetweb) have 100 KiB, of
  // which they need 95.
  thread_local const auto generator = std::make_unique<std::mt19937_64>([] {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  }());
  return (*generator)();
}

}  // namespace engram::storage
