#include "lsm/retention.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace nokv::lsm {

Retention::Retention(Context context) : context_(std::move(context)) {
  NOKV_CHECK(std::is_sorted(context_.snapshots.begin(), context_.snapshots.end()));
}

size_t Retention::StripeOf(key::SequenceNumber seq) const {
  const auto& snapshots = context_.snapshots;
  return static_cast<size_t>(std::lower_bound(snapshots.begin(), snapshots.end(), seq) -
                             snapshots.begin());
}

key::SequenceNumber Retention::StripeTop(size_t stripe) const {
  return stripe < context_.snapshots.size() ? context_.snapshots[stripe] : key::kMaxSequence;
}

bool Retention::Keep(key::Entry* entry) {
  const size_t stripe = StripeOf(entry->seq());
  at_new_key_ = !has_key_ || entry->key != key_;
  if (at_new_key_) {
    key_.assign(entry->key);
    has_key_ = true;
  } else if (stripe == last_stripe_) {
    return false;  // (1)
  }
  last_stripe_ = stripe;
  if (context_.tombstones != nullptr && !context_.tombstones->empty() &&
      context_.tombstones->NewestCovering(entry->key, StripeTop(stripe)) > entry->seq()) {
    return false;  // (2)
  }
  if (entry->kind() == key::Kind::kPut && entry->ExpiredAt(context_.now_millis)) {
    entry->trailer = key::PackTrailer(entry->seq(), key::Kind::kDelete);  // (3)
    entry->expires_at = 0;
    entry->value = {};
  }
  if (entry->kind() == key::Kind::kDelete && stripe == 0) {
    const std::string end = key_ + '\0';
    if (!context_.any_below({key_, end})) return false;  // (4)
  }
  return true;
}

std::vector<key::RangeTombstone> Retention::TombstonesToKeep() const {
  std::vector<key::RangeTombstone> kept;
  if (context_.tombstones == nullptr) return kept;
  for (size_t i = 0; i < context_.tombstones->size(); ++i) {
    const auto& fragment = context_.tombstones->fragment(i);
    size_t last_stripe = SIZE_MAX;
    for (size_t s = 0; s < fragment.seq_count; ++s) {
      const size_t stripe = StripeOf(fragment.seqs[s]);
      if (stripe == last_stripe) continue;
      last_stripe = stripe;
      if (stripe == 0 && !context_.any_below({fragment.begin, fragment.end})) continue;
      kept.push_back({fragment.begin, fragment.end, fragment.seqs[s]});
    }
  }
  return kept;
}

}  // namespace nokv::lsm
