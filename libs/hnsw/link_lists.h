#ifndef ENGRAM_LIBS_HNSW_LINK_LISTS_H_
#define ENGRAM_LIBS_HNSW_LINK_LISTS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "absl/types/span.h"
#include "libs/hnsw/huge_array.h"
#include "libs/hnsw/prefetch.h"
#include "libs/hnsw/walk.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace engram::hnsw {

// The lists of links of one level while it is built, each with its distances.
//
// Any number of threads may read links at any time, without a lock: one that
// reads a list while it is written sees some links of the old and some of the
// new, each of them one that was meant. Everything else about a list needs its
// lock.
class LinkLists {
 public:
  // `count` empty lists of `capacity` (at most 255) links each.
  LinkLists(size_t count, int capacity)
      : capacity_(capacity),
        ids_(count * capacity),
        distances_(count * capacity),
        sizes_(count),
        locks_(count) {
    for (size_t i = 0; i < ids_.size(); ++i) ids_[i] = kNoNode;
  }

  // Holds the lock of one list. Held for microseconds, so who waits spins.
  class Lock {
   public:
    Lock(LinkLists& lists, size_t list) : byte_(lists.locks_[list]) {
      for (int tries = 1; byte_.exchange(1, std::memory_order_acquire) != 0;
           ++tries) {
        // Whoever holds it may have lost the processor.
        if (tries % 64 == 0) std::this_thread::yield();
#if defined(__x86_64__)
        _mm_pause();
#endif
      }
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() { byte_.store(0, std::memory_order_release); }

   private:
    std::atomic_ref<uint8_t> byte_;
  };

  int capacity() const { return capacity_; }

  // The links of one list, to be read by index, kNoNode behind the last.
  class Reader {
   public:
    uint32_t operator[](int i) const {
      return std::atomic_ref<uint32_t>(ids_[i]).load(std::memory_order_relaxed);
    }

   private:
    friend class LinkLists;
    // A const atomic_ref comes with C++26; nothing is written here.
    explicit Reader(const uint32_t* ids) : ids_(const_cast<uint32_t*>(ids)) {}

    uint32_t* ids_;
  };
  // Needs no lock.
  Reader Read(size_t list) const {
    return Reader(ids_.data() + list * capacity_);
  }
  void Prefetch(size_t list) const {
    hnsw::Prefetch(ids_.data() + list * capacity_,
                   capacity_ * sizeof(uint32_t));
  }

  // These need the list's lock, or that no other thread uses the lists.
  int size(size_t list) const { return sizes_[list]; }
  Link Get(size_t list, int i) const {
    return {.id = Read(list)[i], .distance = distances_[list * capacity_ + i]};
  }
  // Replaces all links by these, at most `capacity()`.
  void Set(size_t list, absl::Span<const Link> links) {
    const int before = sizes_[list];
    for (int i = 0; i < static_cast<int>(links.size()); ++i)
      Store(list, i, links[i]);
    for (int i = static_cast<int>(links.size()); i < before; ++i)
      Store(list, i, {});
    sizes_[list] = static_cast<uint8_t>(links.size());
  }
  // Adds a link to a list that is not full.
  void Append(size_t list, Link link) { Store(list, sizes_[list]++, link); }

 private:
  void Store(size_t list, int i, Link link) {
    const size_t at = list * capacity_ + i;
    std::atomic_ref<uint32_t>(ids_[at]).store(link.id,
                                              std::memory_order_relaxed);
    distances_[at] = link.distance;
  }

  int capacity_;
  HugeArray<uint32_t> ids_;
  HugeArray<int32_t> distances_;
  HugeArray<uint8_t> sizes_;
  HugeArray<uint8_t> locks_;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_LINK_LISTS_H_
