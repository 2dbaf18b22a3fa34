// Memory for large gradients, kept for the next one: the page faults of fresh memory take longer than most losses.
#pragma once

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <new>
#include <unordered_map>

namespace lossary {

constexpr size_t HUGE_PAGE = size_t{2} << 20;

inline size_t up_to_huge_page(const void* p) {
  return (HUGE_PAGE - reinterpret_cast<uintptr_t>(p) % HUGE_PAGE) % HUGE_PAGE;
}

// Of the pages that lie in [begin, begin + bytes) as a whole: a page fault for each, not for each of 4 KiB.
inline void take_huge_pages(void* begin, size_t bytes) {
#ifdef MADV_HUGEPAGE
  const size_t before = up_to_huge_page(begin);
  if (bytes < before + HUGE_PAGE) return;
  madvise(static_cast<char*>(begin) + before, (bytes - before) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#else
  (void)begin;
  (void)bytes;
#endif
}

// Blocks as long as whole huge pages. What is given back stays until it would exceed the limit: then the oldest goes.
class GradientMemory {
 public:
  static constexpr size_t smallest = size_t{1} << 20;  // below it malloc has memory that is warm

  void* take(size_t bytes) {
    const size_t size = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    const std::lock_guard<std::mutex> lock(mutex_);
    auto best = free_.end();
    for (auto block = free_.begin(); block != free_.end(); ++block) {
      const bool fits = block->size >= size && block->size <= size + size / 8;
      if (fits && (best == free_.end() || block->size < best->size)) best = block;
    }
    Block block{nullptr, size};
    if (best != free_.end()) {
      block = *best;
      held_ -= block.size;
      free_.erase(best);
    } else {
      block.begin = map(size, bytes);
    }
    taken_[block.begin] = block.size;
    return block.begin;
  }

  void give_back(void* begin) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = taken_.find(begin);
    free_.push_back({begin, found->second});
    held_ += found->second;
    taken_.erase(found);
    shrink_to(limit_);
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

  // The bytes that are kept for later gradients.
  size_t held() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return held_;
  }

  size_t limit() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return limit_;
  }

  void set_limit(size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    limit_ = bytes;
    shrink_to(bytes);
  }

 private:
  struct Block {
    void* begin;
    size_t size;
  };

  // Aligned to huge pages, and made of them but for the last: whole, it would take memory that nobody asked for.
  static void* map(size_t size, size_t bytes) {
    void* const found = mmap(nullptr, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED) throw std::bad_alloc();
    char* const from = static_cast<char*>(found);
    const size_t before = up_to_huge_page(from);
    if (before) munmap(from, before);
    munmap(from + before + size, HUGE_PAGE - before);
    take_huge_pages(from + before, bytes);
    return from + before;
  }

  void shrink_to(size_t bytes) {
    while (held_ > bytes) {
      munmap(free_.front().begin, free_.front().size);
      held_ -= free_.front().size;
      free_.pop_front();
    }
  }

  static size_t physical() {
    return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
  }

  std::mutex mutex_;
  std::list<Block> free_;
  std::unordered_map<void*, size_t> taken_;
  size_t held_ = 0, limit_ = std::min<size_t>(size_t{1} << 30, physical() / 16);
};

// Never destroyed: tensors may outlive all else.
inline GradientMemory& gradient_memory = *new GradientMemory;

// A child must not find the mutex held by a thread that it does not have.
inline const int forks_with_gradient_memory =
    pthread_atfork([] { gradient_memory.lock(); }, [] { gradient_memory.unlock(); }, [] { gradient_memory.unlock(); });

}  // namespace lossary
