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

// Blocks as long as whole huge pages. What is given back stays until it would exceed the limit: then the oldest goes.
class GradientMemory {
 public:
  static constexpr size_t smallest = size_t{1} << 20;  // below it malloc has memory that is warm

  void* take(size_t bytes) {
    const size_t size = (bytes + huge - 1) / huge * huge;
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
      block.begin = map(size, bytes / huge * huge);
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
  static constexpr size_t huge = size_t{2} << 20;

  struct Block {
    void* begin;
    size_t size;
  };

  // Aligned to huge pages, and made of them but for the last: whole, it would take memory that nobody asked for.
  static void* map(size_t size, size_t of_huge_pages) {
    void* const found = mmap(nullptr, size + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED) throw std::bad_alloc();
    char* const from = static_cast<char*>(found);
    const size_t before = (huge - reinterpret_cast<uintptr_t>(from) % huge) % huge;
    if (before) munmap(from, before);
    if (before < huge) munmap(from + before + size, huge - before);
#ifdef MADV_HUGEPAGE
    madvise(from + before, of_huge_pages, MADV_HUGEPAGE);
#else
    (void)of_huge_pages;
#endif
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
