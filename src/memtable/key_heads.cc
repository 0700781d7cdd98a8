#include "memtable/key_heads.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace nokv::memtable {
namespace {

constexpr uint32_t kHeadMin = 1;
constexpr uint32_t kHeadMax = UINT32_MAX;

uint8_t ByteAt(Slice key, size_t i) {
  return static_cast<uint8_t>(key[i]);
}
bool IsDigit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

}  // namespace

bool KeyHeads::Observe(std::span<const Slice> sample, size_t at, Position* position, bool* varies) {
  *position = {UINT8_MAX, 0};
  bool some_ended = false;
  for (const Slice key : sample) {
    if (key.size() > at) {
      position->low = std::min(position->low, ByteAt(key, at));
      position->high = std::max(position->high, ByteAt(key, at));
    } else {
      some_ended = true;
    }
  }
  if (position->low > position->high) return false;
  *varies = some_ended || position->low < position->high;
  if (position->low < position->high && IsDigit(position->low) && IsDigit(position->high)) {
    *position = {'0', '9'};
  }
  return true;
}

KeyHeads KeyHeads::Learn(std::span<const Slice> sample) {
  KeyHeads heads;
  if (sample.size() < 2) return heads;
  const Slice first = sample.front();
  const Slice last = sample.back();
  NOKV_DCHECK(first < last);
  // In order, what the first and the last key share is shared by all.
  const size_t shared = static_cast<size_t>(
      std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first - first.begin());

  // The positions behind the shared prefix, until they hold enough or no key varies any more.
  uint64_t numbers = 1;
  size_t count = 0;
  size_t varying_count = 0;
  Position position;
  bool varies;
  while (count < kPositionsMax && numbers < kNumbersMax &&
         Observe(sample, shared + count, &position, &varies)) {
    heads.positions_[count++] = position;
    numbers *= position.radix();
    if (varies) varying_count = count;
  }
  // The rest is the same in all keys: not worth its time, and of radix 1.
  if (numbers < kNumbersMax) count = varying_count;

  // Room left over goes to the shared bytes just before: keys that count upwards reach them next.
  size_t begin = shared;
  while (begin > 0 && count < kPositionsMax && numbers <= kNumbersMax / 2) {
    const uint8_t byte = ByteAt(first, --begin);
    const uint64_t room = kNumbersMax / numbers;
    position = IsDigit(byte) ? Position{'0', '9'} : Position{0, UINT8_MAX};
    if (position.radix() > room) {
      position.low = byte;
      position.high = static_cast<uint8_t>(std::min<uint64_t>(position.high, byte + room - 1));
    }
    std::copy_backward(heads.positions_, heads.positions_ + count, heads.positions_ + count + 1);
    heads.positions_[0] = position;
    ++count;
    numbers *= position.radix();
  }

  heads.prefix_ = first.substr(0, begin);
  heads.position_count_ = count;
  const auto bits = static_cast<uint32_t>(std::bit_width(numbers - 1));
  heads.shift_ = bits > kHeadBits ? bits - kHeadBits : 0;
  heads.bound_ = kHeadMin + static_cast<uint32_t>((numbers - 1) >> heads.shift_) + 1;
  return heads;
}

uint32_t KeyHeads::Of(Slice key) const {
  if (const size_t common = std::min(prefix_.size(), key.size()); common > 0) {
    const int order = std::memcmp(key.data(), prefix_.data(), common);
    if (order != 0) return order < 0 ? kHeadMin : kHeadMax;
  }
  if (key.size() < prefix_.size()) return kHeadMin;

  const auto* byte = reinterpret_cast<const uint8_t*>(key.data()) + prefix_.size();
  const uint8_t* const end = reinterpret_cast<const uint8_t*>(key.data()) + key.size();
  uint64_t number = 0;
  size_t i = 0;
  for (; i < position_count_; ++i, ++byte) {
    const Position position = positions_[i];
    if (byte == end || *byte < position.low) break;
    if (*byte > position.high) {
      // The largest number that begins like this.
      for (; i < position_count_; ++i) {
        number = number * positions_[i].radix() + positions_[i].radix() - 1;
      }
      break;
    }
    number = number * position.radix() + (*byte - position.low);
  }
  // The smallest number that begins like this.
  for (; i < position_count_; ++i)
    number *= positions_[i].radix();
  return kHeadMin + static_cast<uint32_t>(number >> shift_);
}

}  // namespace nokv::memtable
