#include "memtable/skiplist.h"

#include <algorithm>
#include <array>
#include <new>

#include "base/check.h"

namespace nokv::memtable {
namespace {

// How many keys Learn looks at, from the front; it is called when there are about half as many.
constexpr size_t kSampleMax = 512;

}  // namespace

SkipList::SkipList(char* base, char* head) : base_(base), head_(reinterpret_cast<Node*>(head)) {
  ::new (head_) Node{{0}, {0}, 0, kHeightMax};
  for (uint32_t level = 0; level < kHeightMax; ++level) {
    head_->link(level).store(0, std::memory_order_relaxed);
  }
}

inline int SkipList::Compare(Link link, uint32_t head, Slice key) const {
  const uint32_t link_head = LinkHead(link);
  if (link_head < head && link_head != KeyHeads::kUnknown) return -1;
  if (link_head > head && head != KeyHeads::kUnknown) return 1;
  return At(LinkRef(link))->key().compare(key);
}

inline bool SkipList::Advance(
    uint32_t level, uint32_t head, Slice key, Ref bound, Node** before, Link* link) const {
  for (;;) {
    *link = (*before)->link(level).load(std::memory_order_acquire);
    if (LinkRef(*link) == bound) return false;
    const int order = Compare(*link, head, key);
    if (order >= 0) return order == 0;
    *before = At(LinkRef(*link));
  }
}

Ref SkipList::Insert(Ref ref) {
  Node* const node = At(ref);
  const Slice key = node->key();
  const uint32_t head = HeadOf(key);
  const Link desired = MakeLink(head, ref);

  Splice splice;
  uint32_t level = std::max(height_.load(std::memory_order_relaxed), node->height);
  Node* before = head_;
  Ref bound = 0;  // the end of the list is behind every key
  while (level-- > 0) {
    Link link;
    if (Advance(level, head, key, bound, &before, &link)) return LinkRef(link);
    splice.before[level] = before;
    splice.link[level] = link;
    bound = LinkRef(link);
  }

  for (level = 0; level < node->height; ++level) {
    // On the upper levels somebody may have linked a node with this key only if it is this one.
    Link* const link = &splice.link[level];
    for (;;) {
      node->link(level).store(*link, std::memory_order_relaxed);
      // release: publishes the node (level 0) and its link on this level.
      if (splice.before[level]->link(level).compare_exchange_strong(
              *link, desired, std::memory_order_release, std::memory_order_relaxed)) {
        break;
      }
      // Somebody linked a node here first; it may be before or after this one, or have the same
      // key.
      if (Advance(level, head, key, 0, &splice.before[level], link)) {
        NOKV_CHECK(level == 0);  // (2)
        return LinkRef(*link);
      }
    }
  }
  uint32_t height = height_.load(std::memory_order_relaxed);
  while (height < node->height &&
         !height_.compare_exchange_weak(height, node->height, std::memory_order_relaxed)) {
  }
  return 0;
}

Node* SkipList::FindAtOrAfter(Slice key) const {
  const uint32_t head = HeadOf(key);
  Node* before = head_;
  Link link = 0;
  for (uint32_t level = height_.load(std::memory_order_relaxed); level-- > 0;) {
    if (Advance(level, head, key, LinkRef(link), &before, &link)) break;
  }
  return At(LinkRef(link));
}

Node* SkipList::FindBefore(Slice key, uint32_t lowest) const {
  const uint32_t head = HeadOf(key);
  Node* before = head_;
  Link link = 0;
  const uint32_t height = std::max(height_.load(std::memory_order_relaxed), lowest + 1);
  for (uint32_t level = height; level-- > lowest;) {
    Advance(level, head, key, LinkRef(link), &before, &link);
  }
  return before == head_ ? nullptr : before;
}

Node* SkipList::Last() const {
  Node* last = head_;
  for (uint32_t level = height_.load(std::memory_order_relaxed); level-- > 0;) {
    while (Node* next = At(LinkRef(last->link(level).load(std::memory_order_acquire))))
      last = next;
  }
  return last == head_ ? nullptr : last;
}

void SkipList::Learn() {
  std::array<Slice, kSampleMax> sample;
  size_t count = 0;
  for (const Node* node = First(); node != nullptr && count < kSampleMax; node = Next(node)) {
    sample[count++] = node->key();
  }
  learned_ = KeyHeads::Learn({sample.data(), count});
  heads_.store(&learned_, std::memory_order_release);  // pairs with the acquire in HeadOf

  for (uint32_t level = 0; level < kHeightMax; ++level) {
    for (Node* node = head_; node != nullptr;) {
      std::atomic<Link>& word = node->link(level);
      Link link = word.load(std::memory_order_acquire);
      Node* const next = At(LinkRef(link));
      if (next != nullptr && LinkHead(link) == KeyHeads::kUnknown) {
        // If this fails, an insert has just put another node in between, mostly with its head. A
        // link that is left without one costs a comparison, nothing else.
        word.compare_exchange_strong(link, MakeLink(learned_.Of(next->key()), LinkRef(link)),
                                     std::memory_order_release, std::memory_order_relaxed);
      }
      node = next;
    }
  }
}

}  // namespace nokv::memtable
