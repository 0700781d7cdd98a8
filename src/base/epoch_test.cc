#include "base/epoch.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace nokv::base {
namespace {

// Counts deletions of itself.
struct Counted {
  explicit Counted(std::atomic<int>* counter) : deleted(counter) {}
  ~Counted() { deleted->fetch_add(1); }
  std::atomic<int>* deleted;
};

void RetireCounted(EpochDomain* domain, std::atomic<int>* deleted) {
  domain->RetireDelete(std::make_unique<Counted>(deleted).release());
}

void InThread(const std::function<void()>& work) {
  std::thread(work).join();
}

TEST(EpochDomain, DeletesOnceThePresentGuardsHaveEnded) {
  EpochDomain domain;
  std::atomic<int> deleted{0};
  {
    EpochDomain::Guard guard(&domain);
    RetireCounted(&domain, &deleted);
    EXPECT_EQ(domain.pending(), 1U);
    InThread([&] { EXPECT_EQ(domain.Reclaim(), 0U); });
    EXPECT_EQ(deleted.load(), 0);
  }
  EXPECT_EQ(domain.Reclaim(), 1U);
  EXPECT_EQ(deleted.load(), 1);
  EXPECT_EQ(domain.pending(), 0U);
}

TEST(EpochDomain, AGuardHoldsBackOnlyWhatIsRetiredDuringItsLife) {
  EpochDomain domain;
  std::atomic<int> before{0};
  std::atomic<int> during{0};
  RetireCounted(&domain, &before);
  EXPECT_EQ(domain.Reclaim(), 1U);
  std::optional<EpochDomain::Guard> guard(std::in_place, &domain);
  RetireCounted(&domain, &during);
  InThread([&] {
    // A guard that begins after the retirement and ends does not free it; nor does it hold it back.
    EpochDomain::Guard later(&domain);
    EXPECT_EQ(domain.Reclaim(), 0U);
  });
  EXPECT_EQ(before.load(), 1);
  EXPECT_EQ(during.load(), 0);
  guard.reset();
  std::atomic<bool> inside{false};
  std::atomic<bool> leave{false};
  std::thread late([&] {
    EpochDomain::Guard later(&domain);
    inside.store(true);
    while (!leave.load())
      std::this_thread::yield();
  });
  while (!inside.load())
    std::this_thread::yield();
  // The epoch was raised by the tries above, so the late guard is known not to see the object.
  EXPECT_EQ(domain.Reclaim(), 1U);
  EXPECT_EQ(during.load(), 1);
  leave.store(true);
  late.join();
}

TEST(EpochDomain, NestedGuardsEndWithTheOutermost) {
  EpochDomain domain;
  std::atomic<int> deleted{0};
  EXPECT_FALSE(domain.InGuard());
  {
    EpochDomain::Guard outer(&domain);
    RetireCounted(&domain, &deleted);
    {
      EpochDomain::Guard inner(&domain);
      EXPECT_TRUE(domain.InGuard());
    }
    EXPECT_TRUE(domain.InGuard());
    EXPECT_EQ(domain.Reclaim(), 0U);
  }
  EXPECT_FALSE(domain.InGuard());
  EXPECT_EQ(domain.Reclaim(), 1U);
}

TEST(EpochDomain, ReclaimsByItselfAfterManyRetirements) {
  EpochDomain domain;
  std::atomic<int> deleted{0};
  for (int i = 0; i < 1000; ++i)
    RetireCounted(&domain, &deleted);
  EXPECT_LT(domain.pending(), 2 * EpochDomain::kReclaimInterval);
  domain.Drain();
  EXPECT_EQ(deleted.load(), 1000);
}

TEST(EpochDomain, RetireLaterNeverRunsDeleters) {
  EpochDomain domain;
  std::atomic<int> deleted{0};
  for (size_t i = 0; i < 3 * EpochDomain::kReclaimInterval; ++i) {
    domain.RetireLater(std::make_unique<Counted>(&deleted).release(),
                       [](void* p) { std::unique_ptr<Counted>(static_cast<Counted*>(p)).reset(); });
  }
  EXPECT_EQ(deleted.load(), 0);
  RetireCounted(&domain, &deleted);
  EXPECT_EQ(deleted.load(), static_cast<int>(3 * EpochDomain::kReclaimInterval + 1));
}

// A list whose nodes retire their successor when they are deleted.
struct Chained {
  EpochDomain* domain;
  std::atomic<int>* deleted;
  int left;
  static void Delete(void* object) {
    const std::unique_ptr<Chained> self(static_cast<Chained*>(object));
    EpochDomain::Guard guard(self->domain);
    self->deleted->fetch_add(1);
    EXPECT_EQ(self->domain->Reclaim(), 0U);
    if (self->left == 0) return;
    auto next = std::make_unique<Chained>(*self);
    --next->left;
    self->domain->Retire(next.release(), &Delete);
  }
};

TEST(EpochDomain, DeletersMayRetireAndTakeGuards) {
  EpochDomain domain;
  std::atomic<int> deleted{0};
  domain.Retire(std::make_unique<Chained>(Chained{&domain, &deleted, 500}).release(),
                &Chained::Delete);
  domain.Drain();
  EXPECT_EQ(deleted.load(), 501);
  EXPECT_EQ(domain.pending(), 0U);
}

TEST(EpochDomain, DestructionDeletesWhatIsRetired) {
  std::atomic<int> deleted{0};
  {
    EpochDomain domain;
    for (int i = 0; i < 10; ++i)
      RetireCounted(&domain, &deleted);
  }
  EXPECT_EQ(deleted.load(), 10);
}

TEST(EpochDomain, DomainsDoNotHoldBackEachOther) {
  EpochDomain a;
  EpochDomain b;
  std::atomic<int> deleted{0};
  EpochDomain::Guard guard_of_a(&a);
  {
    EpochDomain::Guard guard_of_b(&b);
    EXPECT_TRUE(a.InGuard());
    EXPECT_TRUE(b.InGuard());
  }
  EXPECT_FALSE(b.InGuard());
  RetireCounted(&b, &deleted);
  EXPECT_EQ(b.Reclaim(), 1U);
}

TEST(EpochDomain, EndedThreadsGiveTheirSlotsBack) {
  EpochDomain domain;
  for (int i = 0; i < 100; ++i) {
    InThread([&] { EpochDomain::Guard guard(&domain); });
  }
  EXPECT_EQ(domain.stats().slots, 0U);
  EpochDomain::Guard guard(&domain);
  const EpochDomain::Stats stats = domain.stats();
  EXPECT_EQ(stats.slots, 1U);
  EXPECT_EQ(stats.guards, 1U);
  EXPECT_EQ(stats.oldest_guard, stats.epoch);
}

TEST(EpochDomain, SeesTheGuardsOfManyThreads) {
  constexpr int kThreads = 100;  // several chunks of slots
  EpochDomain domain;
  std::atomic<int> deleted{0};
  std::atomic<int> inside{0};
  std::array<std::atomic<bool>, kThreads> leave{};
  std::array<std::atomic<int>, kThreads> with_index{};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      EpochDomain::Guard guard(&domain);
      with_index[domain.ThreadIndex()].fetch_add(1);
      inside.fetch_add(1);
      while (!leave[t].load())
        std::this_thread::yield();
    });
  }
  while (inside.load() < kThreads)
    std::this_thread::yield();
  EXPECT_EQ(domain.stats().guards, static_cast<size_t>(kThreads));
  for (const auto& count : with_index)
    EXPECT_EQ(count.load(), 1);
  RetireCounted(&domain, &deleted);
  for (size_t t = 0; t < kThreads; ++t) {
    EXPECT_EQ(domain.Reclaim(), 0U);
    leave[t].store(true);
    threads[t].join();
  }
  EXPECT_EQ(domain.Reclaim(), 1U);
}

TEST(EpochDomain, DomainsMayEndBeforeTheThreadsThatUsedThem) {
  constexpr int kEnd = -1;
  std::atomic<int> step{0};
  std::unique_ptr<EpochDomain> domain;
  std::atomic<int> deleted{0};
  std::thread user([&] {
    for (int i = 0; i < 50; ++i) {
      while (step.load() != 2 * i + 1)
        std::this_thread::yield();
      {
        EpochDomain::Guard guard(domain.get());
        RetireCounted(domain.get(), &deleted);
      }
      step.store(2 * i + 2);
    }
    while (step.load() != kEnd)
      std::this_thread::yield();
  });
  for (int i = 0; i < 50; ++i) {
    domain = std::make_unique<EpochDomain>();  // often at the address of the one before
    step.store(2 * i + 1);
    while (step.load() != 2 * i + 2)
      std::this_thread::yield();
    EXPECT_EQ(domain->stats().slots, 1U);
    domain.reset();
    EXPECT_EQ(deleted.load(), i + 1);
  }
  step.store(kEnd);
  user.join();
}

TEST(EpochDomain, DestructorsOfThreadLocalsMayTakeGuards) {
  static EpochDomain* domain_of_test = nullptr;
  struct Late {
    ~Late() { EpochDomain::Guard guard(domain_of_test); }
    int touched = 0;
  };
  EpochDomain domain;
  domain_of_test = &domain;
  InThread([&] {
    static thread_local Late late;
    late.touched = 1;
  });
  InThread([&] {
    static thread_local Late late;
    late.touched = 1;
    EpochDomain::Guard guard(&domain);
  });
  EXPECT_EQ(domain.stats().slots, 0U);
}

TEST(EpochDomain, DrainWaitsForTheGuardsOfOthers) {
  EpochDomain domain;
  std::atomic<int> deleted{0};
  std::atomic<bool> inside{false};
  std::atomic<bool> left{false};
  std::thread reader([&] {
    EpochDomain::Guard guard(&domain);
    inside.store(true);
    while (domain.stats().epoch < 20)
      std::this_thread::yield();  // Drain is trying
    EXPECT_EQ(deleted.load(), 0);
    left.store(true);
  });
  while (!inside.load())
    std::this_thread::yield();
  RetireCounted(&domain, &deleted);
  domain.Drain();
  EXPECT_TRUE(left.load());
  EXPECT_EQ(deleted.load(), 1);
  reader.join();
}

// The race that fences are for: the reader's stores to cold memory keep the store of its guard
// waiting in the processor's write buffer, while its loads run ahead. Without the heavy fence of
// the reclaimer this fails about once in two million replacements on two cores.
TEST(EpochDomain, AGuardCountsEvenWhileItsStoreIsDelayed) {
  constexpr int kReplacements = 100'000;
  EpochDomain domain;
  std::atomic<bool> alive[2] = {true, true};
  std::atomic<std::atomic<bool>*> cell{&alive[0]};
  std::atomic<bool> stop{false};
  std::atomic<int> dead_reads{0};
  std::thread reader([&] {
    Random random(1);
    std::vector<char> cold(size_t{16} << 20);
    while (!stop.load(std::memory_order_relaxed)) {
      for (int i = 0; i < 16; ++i) {
        const_cast<volatile char&>(cold[random.Uniform(cold.size())]) = 1;
      }
      EpochDomain::Guard guard(&domain);
      const std::atomic<bool>* const object = cell.load(std::memory_order_acquire);
      for (int i = 0; i < 20; ++i) {
        if (!object->load(std::memory_order_relaxed)) dead_reads.fetch_add(1);
      }
    }
  });
  for (int i = 0; i < kReplacements; ++i) {
    std::atomic<bool>* const old = &alive[i % 2];
    std::atomic<bool>* const fresh = &alive[(i + 1) % 2];
    fresh->store(true, std::memory_order_relaxed);
    cell.store(fresh, std::memory_order_release);
    domain.RetireLater(old, [](void* object) {
      static_cast<std::atomic<bool>*>(object)->store(false, std::memory_order_relaxed);
    });
    while (domain.pending() > 0)
      domain.Reclaim();
  }
  stop.store(true);
  reader.join();
  EXPECT_EQ(dead_reads.load(), 0);
}

// A pointer published in one cell, whose target says whether it is alive.
struct Node {
  static constexpr uint64_t kAlive = 0x600d600d600d600dULL;
  uint64_t words[4] = {kAlive, kAlive, kAlive, kAlive};
  static void Delete(void* object) {
    const std::unique_ptr<Node> node(static_cast<Node*>(object));
    for (uint64_t& word : node->words)
      word = 0;  // a plain write: ThreadSanitizer sees any reader
  }
};

TEST(EpochDomain, ReadersNeverMeetDeletedObjects) {
  constexpr size_t kCells = 16;
  constexpr int kReaders = 3;
  constexpr int kWriters = 2;
  constexpr uint64_t kReplacements = 20'000;
  EpochDomain domain;
  std::array<std::atomic<Node*>, kCells> cells{};
  for (auto& cell : cells)
    cell.store(std::make_unique<Node>().release());
  std::atomic<int> writing{kWriters};
  std::atomic<uint64_t> dead_reads{0};
  std::vector<std::thread> threads;
  const auto read = [&](uint64_t seed) {
    Random random(seed);
    while (writing.load(std::memory_order_relaxed) > 0) {
      EpochDomain::Guard guard(&domain);
      for (int i = 0; i < 4; ++i) {
        const Node* node = cells[random.Uniform(kCells)].load(std::memory_order_acquire);
        EpochDomain::Guard nested(&domain);
        for (const uint64_t word : node->words) {
          if (word != Node::kAlive) dead_reads.fetch_add(1);
        }
      }
    }
  };
  const auto write = [&](uint64_t seed) {
    Random random(seed);
    for (uint64_t i = 0; i < kReplacements; ++i) {
      Node* const fresh = std::make_unique<Node>().release();
      Node* const old = cells[random.Uniform(kCells)].exchange(fresh, std::memory_order_acq_rel);
      domain.Retire(old, &Node::Delete);
      if (random.OneIn(16)) domain.Reclaim();
    }
    writing.fetch_sub(1);
  };
  constexpr uint64_t kSeed = 20'240'601;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  for (int r = 0; r < kReaders; ++r)
    threads.emplace_back(read, kSeed + static_cast<uint64_t>(r));
  for (int w = 0; w < kWriters; ++w)
    threads.emplace_back(write, kSeed + 100 + static_cast<uint64_t>(w));
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(dead_reads.load(), 0U);
  for (auto& cell : cells)
    domain.Retire(cell.load(), &Node::Delete);
  domain.Drain();
  EXPECT_EQ(domain.stats().retired_total, kWriters * kReplacements + kCells);
}

}  // namespace
}  // namespace nokv::base
