#pragma once

// RangeGuard: which parts of which levels running compactions work on.
//
// A compaction claims the levels from its input to its output over its key range. Two claims never
// overlap in both, so no compaction writes into a gap that another one counts on being empty.
// Externally synchronised (by the version set's lock).

#include <cstdint>
#include <list>
#include <string>

#include "key/entry.h"

namespace nokv::lsm {

class RangeGuard {
 public:
  struct Claim {
    int first_level;
    int last_level;
    std::string begin;
    std::string end;
  };
  using Ticket = std::list<Claim>::iterator;

  bool IsFree(int first_level, int last_level, const key::KeyRange& range) const {
    for (const Claim& claim : claims_) {
      if (first_level <= claim.last_level && claim.first_level <= last_level &&
          range.Overlaps({claim.begin, claim.end})) {
        return false;
      }
    }
    return true;
  }

  // REQUIRES: IsFree with the same arguments.
  Ticket Take(int first_level, int last_level, const key::KeyRange& range) {
    return claims_.insert(claims_.end(), {first_level, last_level, std::string(range.begin),
                                          std::string(range.end)});
  }
  void Release(Ticket ticket) { claims_.erase(ticket); }
  size_t size() const { return claims_.size(); }

 private:
  std::list<Claim> claims_;
};

}  // namespace nokv::lsm
