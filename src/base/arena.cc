#include "base/arena.h"

namespace nokv::base {

Arena::Arena(char* base, size_t bytes)
    : base_(base),
      capacity_units_(static_cast<uint32_t>(bytes / kUnitBytes)),
      fill_(uint64_t{1} << 32 | 1) {
  NOKV_CHECK(reinterpret_cast<uintptr_t>(base) % kUnitBytes == 0);
  NOKV_CHECK(bytes >= kUnitBytes && bytes <= kCapacityBytesMax);
  Poison(base, bytes);
}

bool Arena::TryReserve(size_t bytes) {
  NOKV_DCHECK(bytes % kUnitBytes == 0);
  const size_t units = bytes / kUnitBytes;
  // Claims running beside this one only lower the number that is read here.
  if (units > capacity_units_ - ReservedUnits(Load())) return false;
  fill_.fetch_add(static_cast<uint64_t>(units) << 32, std::memory_order_relaxed);
  return true;
}

}  // namespace nokv::base
