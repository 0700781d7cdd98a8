#include "memtable/skiplist.h"

#include <algorithm>
#include <array>
#include <new>

#include "base/check.h"

namespace nokv::memtable {
namespace {

// How many keys Learn looks at, from the front; it is called when there are about half as many.
constexpr size_t kSampleMax = 512;

// How many nodes a search passes after a finger before it gives up: the bucket is crowded, and the
// way from the top is logarithmic.
constexpr int kFingerMovesMax = 8;

}  // namespace

SkipList::SkipList(char* base, char* head, char* fingers, size_t finger_count)
    : base_(base), head_(reinterpret_cast<Node*>(head)), fingers_(fingers, finger_count) {
  ::new (head_) Node{{0}, {0}, 0, kHeightMax};
  for (uint32_t level = 0; level < kHeightMax; ++level) {
    head_->link(level).store(0, std::memory_order_relaxed);
  }
}

inline int SkipList::Compare(Link link, const Target& target) const {
  const uint32_t head = LinkHead(link);
  if (head < target.head && head != KeyHeads::kUnknown) return -1;
  if (head > target.head && target.head != KeyHeads::kUnknown) return 1;
  return At(LinkRef(link))->key().compare(target.key);
}

inline bool SkipList::Advance(
    const Target& target, uint32_t level, Ref bound, Node** before, Link* link) const {
  for (;;) {
    *link = (*before)->link(level).load(std::memory_order_acquire);
    if (LinkRef(*link) == bound) return false;
    const int order = Compare(*link, target);
    if (order >= 0) return order == 0;
    *before = At(LinkRef(*link));
  }
}

inline Node* SkipList::Start(const Target& target, uint32_t needed, uint32_t* height) const {
  if (target.head != KeyHeads::kUnknown && needed <= Fingers::kHeight) {
    Node* node = At(fingers_.Before(target.head));
    for (int moves = 0; node != nullptr && moves < kFingerMovesMax; ++moves) {
      const Link link = node->link(Fingers::kHeight - 1).load(std::memory_order_acquire);
      if (LinkRef(link) == 0 || Compare(link, target) >= 0) {
        *height = Fingers::kHeight;
        return node;
      }
      node = At(LinkRef(link));
    }
  }
  *height = std::max(height_.load(std::memory_order_relaxed), needed);
  return head_;
}

Ref SkipList::Insert(Ref ref) {
  Node* const node = At(ref);
  const Target target = TargetFor(node->key());
  const Link desired = MakeLink(target.head, ref);

  // Where the node belongs: on each level the last node before it, and that node's link.
  Node* before[kHeightMax];
  Link links[kHeightMax];
  uint32_t level;
  Node* at = Start(target, node->height, &level);
  Link link = 0;  // the end of the list is behind every key
  while (level-- > 0) {
    if (Advance(target, level, LinkRef(link), &at, &link)) return LinkRef(link);
    before[level] = at;
    links[level] = link;
  }

  for (level = 0; level < node->height; ++level) {
    for (;;) {
      node->link(level).store(links[level], std::memory_order_relaxed);
      // release: publishes the node (level 0) and its link on this level.
      if (before[level]->link(level).compare_exchange_strong(
              links[level], desired, std::memory_order_release, std::memory_order_relaxed)) {
        break;
      }
      // Somebody linked a node here first: before or after this one, or, on level 0, with its key.
      if (Advance(target, level, 0, &before[level], &links[level])) {
        NOKV_CHECK(level == 0);  // (2)
        return LinkRef(links[level]);
      }
    }
  }

  if (target.head != KeyHeads::kUnknown && node->height >= Fingers::kHeight) {
    fingers_.Enter(target.head, ref, [this](Ref a, Ref b) { return At(a)->key() < At(b)->key(); });
  }
  uint32_t height = height_.load(std::memory_order_relaxed);
  while (height < node->height &&
         !height_.compare_exchange_weak(height, node->height, std::memory_order_relaxed)) {
  }
  return 0;
}

Node* SkipList::FindAtOrAfter(Slice key) const {
  const Target target = TargetFor(key);
  uint32_t level;
  Node* before = Start(target, 1, &level);
  Link link = 0;
  while (level-- > 0) {
    if (Advance(target, level, LinkRef(link), &before, &link)) break;
  }
  return At(LinkRef(link));
}

Node* SkipList::FindBefore(Slice key, uint32_t lowest) const {
  const Target target = TargetFor(key);
  uint32_t level;
  Node* before = Start(target, lowest + 1, &level);
  Link link = 0;
  while (level-- > lowest)
    Advance(target, level, LinkRef(link), &before, &link);
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
  fingers_.Scale(learned_.bound());
  heads_.store(&learned_, std::memory_order_release);  // pairs with the acquire in TargetFor

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
