#pragma once

// ScanCursors: the numbers that SCAN gives out, and the places in the key order they stand for.
//
// Keys are ordered byte strings and a cursor is a number, so the place is kept here. A cursor stays
// valid after use (a client may repeat a page) until kCursorsMax newer ones or kBytesMax bytes of places
// push it out. One that is not known, because it was pushed out, made by an earlier process or made up,
// stands for the beginning: SCAN then returns elements again, which its contract allows, and never
// misses one. Numbers are below 2^63 and never 0. Confined to the loop's thread.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "nokv/slice.h"

namespace nokv::redis {

class ScanCursors {
 public:
  static constexpr size_t kCursorsMax = 16 * 1024;
  static constexpr size_t kBytesMax = 16 << 20;

  // `first` should differ between processes, so that cursors of an earlier one are not mistaken.
  explicit ScanCursors(uint64_t first) : first_((first & (kLimit / 2 - 1)) + 1) {}

  uint64_t Remember(std::string place) {
    bytes_ += place.size();
    places_.push_back(std::move(place));
    while (places_.size() > kCursorsMax || (bytes_ > kBytesMax && places_.size() > 1)) {
      bytes_ -= places_.front().size();
      places_.pop_front();
      ++first_;
    }
    return first_ + places_.size() - 1;
  }
  // The place to go on at; valid until the next Remember.
  Slice Find(uint64_t cursor) const {
    if (cursor < first_ || cursor - first_ >= places_.size()) return {};
    return places_[static_cast<size_t>(cursor - first_)];
  }

 private:
  static constexpr uint64_t kLimit = 1ULL << 63;

  uint64_t first_;  // the cursor of places_.front()
  std::deque<std::string> places_;
  size_t bytes_ = 0;
};

}  // namespace nokv::redis
